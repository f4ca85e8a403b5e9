"""One POST in flight per node, and what happens at the bounds."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from streamer.cluster import lanes as lanes_module
from streamer.cluster.calls import Gone, Unreachable
from streamer.cluster.lanes import Backlog, Kind, Lanes, Parcel, body, gone_in
from streamer.telemetry.metrics import Metrics
from tests.support.until import until

NODE = "http://n1"
TO = b'["c1"]'


def parcel(name: str, kind: Kind = "progress", *, job: str = "j1", size: int = 0) -> Parcel:
    meta = orjson.dumps({"name": name})
    return Parcel(connections=("c1",), addresses=TO, job_id=job, kind=kind, meta=meta, frame=b"x" * size)


def names(batch: Sequence[Parcel]) -> list[str]:
    return [orjson.loads(each.meta)["name"] for each in batch]


class Nodes:
    """Answers POSTs; those to a held endpoint wait, those to a broken one fail."""

    def __init__(self) -> None:
        self.posts: list[tuple[str, list[str]]] = []
        self.held: dict[str, asyncio.Event] = {}
        self.errors: dict[str, Exception] = {}
        self.answer = b'{"gone":[]}'

    async def post(self, endpoint: str, path: str, body: bytes) -> bytes:
        assert path == "/internal/deliver"
        self.posts.append((endpoint, [orjson.loads(line)["name"] for line in body.split(b"\n")[::2]]))
        if endpoint in self.held:
            await self.held[endpoint].wait()
        if endpoint in self.errors:
            raise self.errors[endpoint]
        return self.answer

    def bodies(self, endpoint: str = NODE) -> list[list[str]]:
        return [sent for to, sent in self.posts if to == endpoint]


class Scene:
    def __init__(self) -> None:
        self.nodes = Nodes()
        self.metrics = Metrics()
        self.lanes = Lanes(self.nodes.post, self.metrics)

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"streamer_{name}", labels) or 0.0

    @asynccontextmanager
    async def holding(self, endpoint: str = NODE) -> AsyncIterator[None]:
        """A POST to the endpoint is under way, and ends with the block."""
        self.nodes.held[endpoint] = asyncio.Event()
        self.lanes.send(endpoint, parcel("first", "outcome", job="j0"))
        await until(lambda: self.nodes.bodies(endpoint))
        yield
        self.nodes.held.pop(endpoint).set()
        await self.lanes.flush(5.0)


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(lanes_module, "FIRST_BACK_OFF_S", 0.01)
    monkeypatch.setattr(lanes_module, "MAX_BACK_OFF_S", 0.02)
    scene = Scene()
    yield scene
    await scene.lanes.close()


async def test_what_arrives_during_a_post_goes_with_the_next(scene: Scene) -> None:
    async with scene.holding():
        for name in ("a", "b", "c"):
            scene.lanes.send(NODE, parcel(name, job=name))
        assert scene.counted("lane_backlog") == 3
    assert scene.nodes.bodies() == [["first"], ["a", "b", "c"]]
    assert scene.counted("lane_posts_total", result="ok") == 2
    assert scene.counted("lane_backlog") == 0


async def test_progress_of_a_request_gives_way_to_newer_progress(scene: Scene) -> None:
    async with scene.holding():
        scene.lanes.send(NODE, parcel("p1"))
        scene.lanes.send(NODE, parcel("other", job="j2"))
        scene.lanes.send(NODE, parcel("p2"))
        scene.lanes.send(NODE, parcel("end", "outcome"))
    assert scene.nodes.bodies()[1] == ["other", "p2", "end"]


async def test_a_batch_has_a_size(scene: Scene) -> None:
    half = lanes_module.MAX_POST_BYTES // 2
    async with scene.holding():
        for name in ("a", "b", "c"):
            scene.lanes.send(NODE, parcel(name, "outcome", job=name, size=half))
        scene.lanes.send(NODE, parcel("huge", "outcome", job="huge", size=5 * half))
    assert scene.nodes.bodies()[1:] == [["a"], ["b"], ["c"], ["huge"]]


async def test_a_full_lane_drops_the_oldest_progress_and_no_outcome(scene: Scene) -> None:
    third = lanes_module.MAX_LANE_BYTES // 3
    async with scene.holding():
        scene.lanes.send(NODE, parcel("p1", job="a", size=third))
        scene.lanes.send(NODE, parcel("p2", job="b", size=10_000))
        for name in ("o1", "o2"):
            scene.lanes.send(NODE, parcel(name, "outcome", job=name, size=third))
    assert sent_while_full(scene) == ["p2", "o1", "o2"]
    assert scene.counted("frames_dropped_total", reason="full") == 1


def sent_while_full(scene: Scene) -> list[str]:
    return [name for batch in scene.nodes.bodies()[1:] for name in batch]


async def test_a_full_lane_drops_progress_before_chunks(scene: Scene) -> None:
    third = lanes_module.MAX_LANE_BYTES // 3
    async with scene.holding():
        scene.lanes.send(NODE, parcel("c1", "chunk", size=third))
        scene.lanes.send(NODE, parcel("p1", size=third))
        scene.lanes.send(NODE, parcel("c2", "chunk", size=third))
    assert sent_while_full(scene) == ["c1", "c2"]
    assert scene.counted("frames_dropped_total", reason="full") == 1


async def test_then_the_oldest_chunks_and_never_what_says_how_an_attempt_ended(scene: Scene) -> None:
    third = lanes_module.MAX_LANE_BYTES // 3
    async with scene.holding():
        for name in ("c1", "c2"):
            scene.lanes.send(NODE, parcel(name, "chunk", size=third - 1000))
        scene.lanes.send(NODE, parcel("r1", "retrying", size=third))
        scene.lanes.send(NODE, parcel("c3", "chunk", size=3000))
        scene.lanes.send(NODE, parcel("o1", "outcome", size=2 * third))
    assert sent_while_full(scene) == ["r1", "o1"]
    assert scene.counted("frames_dropped_total", reason="full") == 3


async def test_a_full_lane_makes_room_for_more_than_one_frame(scene: Scene) -> None:
    piece = lanes_module.MAX_LANE_BYTES // 100
    async with scene.holding():
        for number in range(100):
            scene.lanes.send(NODE, parcel(f"c{number}", "chunk", size=piece))
    left = sent_while_full(scene)
    assert left == [f"c{number}" for number in range(100 - len(left), 100)]
    assert 0 < piece * len(left) <= lanes_module.ROOMY_LANE_BYTES


async def test_chunks_do_not_stand_for_one_another(scene: Scene) -> None:
    async with scene.holding():
        for name in ("c1", "c2", "c3"):
            scene.lanes.send(NODE, parcel(name, "chunk"))
    assert scene.nodes.bodies()[1] == ["c1", "c2", "c3"]


async def test_a_lane_that_gives_up_drops_chunks_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes_module, "GIVE_UP_S", 0.1)
    scene.nodes.errors[NODE] = Unreachable("down")
    scene.lanes.send(NODE, parcel("c1", "chunk"))
    await until(lambda: len(scene.lanes) == 0)
    assert scene.counted("frames_dropped_total", reason="gone") == 1


async def test_a_stuck_node_slows_no_other(scene: Scene) -> None:
    async with scene.holding():
        scene.lanes.send("http://n2", parcel("to n2"))
        await until(lambda: scene.nodes.bodies("http://n2") == [["to n2"]])
        await until(lambda: len(scene.lanes) == 1)
    assert len(scene.lanes) == 0


async def test_a_failed_post_is_made_again_in_order(scene: Scene) -> None:
    scene.nodes.errors[NODE] = Unreachable("down")
    with capture_logs() as events:
        scene.lanes.send(NODE, parcel("p1"))
        scene.lanes.send(NODE, parcel("o1", "outcome", job="j2"))
        await until(lambda: len(scene.nodes.posts) >= 3)
        scene.lanes.send(NODE, parcel("p2"))
        del scene.nodes.errors[NODE]
        await scene.lanes.flush(5.0)
    assert scene.nodes.bodies()[-1] == ["o1", "p2"]
    assert [event["event"] for event in events] == ["lane_failing", "lane_recovered"]
    assert scene.counted("lane_posts_total", result="failed") >= 3


async def test_outcomes_are_dropped_after_failing_for_long_enough(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes_module, "GIVE_UP_S", 0.1)
    scene.nodes.errors[NODE] = Unreachable("down")
    scene.lanes.send(NODE, parcel("o1", "outcome"))
    await until(lambda: len(scene.lanes) == 0)
    assert scene.counted("frames_dropped_total", reason="gone") == 1
    assert scene.counted("lane_backlog") == 0


async def test_who_is_not_there_is_handed_back_once(scene: Scene) -> None:
    handed: list[tuple[str, list[str], str]] = []

    def undelivered(lost: Parcel, connections: Sequence[str], endpoint: str) -> None:
        lost.tried = endpoint
        handed.append((names([lost])[0], list(connections), endpoint))

    scene.lanes.undelivered = undelivered
    scene.nodes.answer = b'{"gone":["c1","c9"]}'
    scene.lanes.send(NODE, parcel("a", "outcome"))
    await scene.lanes.flush(5.0)
    scene.nodes.errors[NODE] = Gone("another process")
    scene.lanes.send(NODE, parcel("b", "outcome"))
    await scene.lanes.flush(5.0)
    assert scene.counted("lane_posts_total", result="gone") == 1
    scene.nodes.errors[NODE] = Unreachable("down")
    scene.lanes.send(NODE, parcel("c", "outcome"))
    await until(lambda: len(scene.nodes.posts) >= 4)
    assert handed == [(name, ["c1"], NODE) for name in ("a", "b", "c")]


async def test_somebody_elses_connection_is_not_handed_back(scene: Scene) -> None:
    scene.nodes.answer = b'{"gone":["c9"]}'
    scene.lanes.send(NODE, parcel("a", "outcome"))
    await scene.lanes.flush(5.0)
    assert scene.counted("frames_dropped_total", reason="gone") == 0


async def test_closing_ends_what_is_under_way(scene: Scene) -> None:
    scene.nodes.held[NODE] = asyncio.Event()
    scene.lanes.send(NODE, parcel("a"))
    await until(lambda: scene.nodes.posts)
    await scene.lanes.flush(0.0)
    await scene.lanes.close()
    assert len(scene.lanes) == 0
    await scene.lanes.flush(1.0)


async def test_a_lane_that_dies_is_not_silent(scene: Scene) -> None:
    scene.nodes.errors[NODE] = RuntimeError("a fault of ours")
    with capture_logs() as events:
        scene.lanes.send(NODE, parcel("a"))
        await until(lambda: events)
    assert [event["event"] for event in events] == ["task_died"]


def test_a_backlog_knows_its_size() -> None:
    backlog = Backlog()
    first = parcel("p1", size=10)
    backlog.add(first)
    backlog.add(parcel("p2", size=20))
    assert backlog.size == first.size + 10
    assert backlog.shrink(backlog.size) == 0
    backlog.add(parcel("c1", "chunk", size=30))
    assert names(backlog.take(1_000)) == ["p2", "c1"]
    assert backlog.size == 0
    backlog.add(first)
    assert backlog.shrink(0) == 1
    assert backlog.size == 0


def test_shrinking_stops_when_it_fits() -> None:
    backlog = Backlog()
    for name in ("a", "b", "c"):
        backlog.add(parcel(name, job=name, size=10))
    assert backlog.shrink(backlog.size - 1) == 1
    assert names(backlog.take(1_000)) == ["b", "c"]


@pytest.mark.parametrize(
    ("answer", "gone"),
    [(b'{"gone":["a"]}', {"a"}), (b"{}", set()), (b"", set()), (b"[]", set()), (b'{"gone":1}', set())],
)
def test_an_answer_that_says_nothing_is_no_answer_about_anybody(answer: bytes, gone: set[Any]) -> None:
    assert gone_in(answer) == gone


def addressed(name: str, to: bytes) -> Parcel:
    return replace(parcel(name, "chunk"), addresses=to)


def test_addresses_are_said_once_for_frames_that_follow_each_other() -> None:
    batch = [parcel("a"), parcel("b"), addressed("c", b'["c2"]'), parcel("d")]
    metas = [orjson.loads(line) for line in body(batch).split(b"\n")[::2]]
    assert metas == [
        {"c": ["c1"], "name": "a"},
        {"name": "b"},
        {"c": ["c2"], "name": "c"},
        {"c": ["c1"], "name": "d"},
    ]


def test_many_addresses_count_once_for_frames_that_follow_each_other() -> None:
    many, others = b"x" * 1_000, b"y" * 1_000
    backlog = Backlog()
    for name, to in (("a", many), ("b", many), ("c", others), ("d", many)):
        backlog.add(addressed(name, to))
    assert names(backlog.take(2_500)) == ["a", "b", "c"]
    assert names(backlog.take(2_500)) == ["d"]
