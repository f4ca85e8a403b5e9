"""Which node a frame goes to."""

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from streamer.cluster import audience as audience_module
from streamer.cluster import courier as courier_module
from streamer.cluster import lanes as lanes_module
from streamer.cluster.calls import Unreachable
from streamer.cluster.courier import Courier
from streamer.cluster.lanes import Kind, Lanes
from streamer.cluster.registry import APP, Peers
from streamer.errors import StoreUnavailable
from streamer.store.base import Connection
from streamer.telemetry.metrics import Metrics
from tests.support import jobs
from tests.support.until import until
from tests.unit.streamer.cluster.nodes import Nodes


class Connections:
    """The rows of `ConnectionStore` that a courier reads."""

    def __init__(self) -> None:
        self.rows: dict[str, Connection] = {}
        self.reads: list[set[str]] = []
        self.error: Exception | None = None

    def put(self, connection_id: str, node_id: str) -> None:
        self.rows[connection_id] = Connection(
            connection_id=connection_id, node_id=node_id, tenant="acme", user="ann", connected_ms=0, last_ping_ms=0
        )

    async def get_many(self, connection_ids: Collection[str]) -> Mapping[str, Connection]:
        self.reads.append(set(connection_ids))
        if self.error is not None:
            raise self.error
        return {name: self.rows[name] for name in connection_ids if name in self.rows}


class Scene:
    """Nodes n1 and n2 are known; n3 registers when a test says so."""

    def __init__(self) -> None:
        self.registry = Nodes()
        self.peers = Peers(self.registry, APP)
        self.connections = Connections()
        self.metrics = Metrics()
        self.sent: list[tuple[str, dict[str, Any]]] = []
        self.gone: dict[str, list[str]] = {}
        self.down: set[str] = set()
        self.courier = Courier(
            lanes=Lanes(self.post, self.metrics),
            peers=self.peers,
            connections=self.connections,  # type: ignore[arg-type]  # what a courier needs of it
            metrics=self.metrics,
            clock=lambda: 12.5,
        )

    async def register(self, name: str) -> None:
        await self.registry.beat(APP, name, {"endpoint": f"http://{name}"})

    async def post(self, endpoint: str, _path: str, body: bytes) -> bytes:
        if endpoint in self.down:
            raise Unreachable(endpoint)
        self.sent += [(endpoint, orjson.loads(line)) for line in body.split(b"\n")[::2]]
        return orjson.dumps({"gone": self.gone.get(endpoint, [])})

    def send(self, *connections: str, kind: Kind = "outcome", **options: Any) -> None:
        self.courier.send(JOB, kind, 7, b"{}", to=frozenset(connections), **options)

    async def receivers(self) -> list[tuple[str, list[str]]]:
        await self.courier.flush(5.0)
        return sorted((endpoint, meta["c"]) for endpoint, meta in self.sent)

    def dropped(self, reason: str = "gone") -> float:
        return self.metrics.registry.get_sample_value("streamer_frames_dropped_total", {"reason": reason}) or 0.0


JOB = replace(jobs.row(), routes=frozenset({"n1.is-not-asked"}), attempt=2)


@pytest.fixture
async def scene(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    monkeypatch.setattr(lanes_module, "FIRST_BACK_OFF_S", 0.01)
    monkeypatch.setattr(lanes_module, "GIVE_UP_S", 0.05)
    scene = Scene()
    await scene.register("n1")
    await scene.register("n2")
    await scene.peers.refresh()
    yield scene
    await scene.courier.close()


async def test_a_frame_goes_to_the_nodes_of_its_connections_once_each(scene: Scene) -> None:
    scene.send("n1.a", "n2.b", "n1.c", kind="progress", percentage=40.0)
    assert await scene.receivers() == [("http://n1", ["n1.a", "n1.c"]), ("http://n2", ["n2.b"])]
    meta = scene.sent[0][1]
    assert {name: meta[name] for name in "jtuaskp"} == {
        "j": JOB.job_id,
        "t": "acme",
        "u": "ann",
        "a": 2,
        "s": 7,
        "k": "progress",
        "p": 40.0,
    }
    assert meta["at"] == 12.5
    assert "h" not in meta
    assert scene.connections.reads == []


async def test_a_frame_says_how_many_chunks_come_before_it(scene: Scene) -> None:
    scene.send("n1.a", kind="chunk", chunks=3)
    await scene.receivers()
    assert (scene.sent[0][1]["k"], scene.sent[0][1]["h"]) == ("chunk", 3)


async def test_any_collection_of_connections_will_do(scene: Scene) -> None:
    scene.courier.send(JOB, "chunk", 1, b"{}", to=["n2.b", "n1.a", "n1.a"])
    assert await scene.receivers() == [("http://n1", ["n1.a"]), ("http://n2", ["n2.b"])]


async def test_an_attempt_may_be_named(scene: Scene) -> None:
    scene.send("n1.a", attempt=9)
    await scene.receivers()
    assert scene.sent[0][1]["a"] == 9
    assert "p" not in scene.sent[0][1]


async def test_nobody_listens(scene: Scene) -> None:
    scene.send()
    assert await scene.receivers() == []


async def test_a_node_that_is_new_is_found_by_reading_the_registry(scene: Scene) -> None:
    scene.connections.put("n3.a", "n3")
    await scene.register("n3")
    scene.send("n3.a")
    assert await scene.receivers() == [("http://n3", ["n3.a"])]
    scene.send("n3.a")
    await scene.receivers()
    assert len(scene.connections.reads) == 1


async def test_a_connection_that_moved_is_found_and_remembered(scene: Scene) -> None:
    scene.gone["http://n1"] = ["n1.a"]
    scene.connections.put("n1.a", "n2")
    scene.send("n1.a", "n1.b")
    assert await scene.receivers() == [("http://n1", ["n1.a", "n1.b"]), ("http://n2", ["n1.a"])]
    scene.sent.clear()
    scene.send("n1.a")
    assert await scene.receivers() == [("http://n2", ["n1.a"])]
    assert scene.connections.reads == [{"n1.a"}]


async def test_where_a_connection_is_can_be_learnt(scene: Scene) -> None:
    scene.send("n1.a", "n1.b")
    scene.courier.learn({"n1.a": "n2"})
    scene.send("n1.a", "n1.b")
    scene.courier.learn({"n1.a": "n1"})
    scene.send("n1.a", "n1.b")
    both = ("http://n1", ["n1.a", "n1.b"])
    assert await scene.receivers() == [both, both, ("http://n1", ["n1.b"]), ("http://n2", ["n1.a"])]
    assert scene.connections.reads == []


async def test_a_connection_that_is_learnt_to_be_somewhere_is_no_longer_lost(scene: Scene) -> None:
    scene.send("gone.a", kind="chunk")
    await scene.receivers()
    scene.connections.put("gone.a", "n3")
    await scene.register("n3")
    scene.courier.learn({"gone.a": "n3"})
    scene.send("gone.a", kind="chunk")
    assert await scene.receivers() == [("http://n3", ["gone.a"])]


async def test_a_connection_that_came_home_is_not_looked_for_again(scene: Scene) -> None:
    scene.courier.learn({"n1.a": "n2"})
    scene.gone["http://n2"] = ["n1.a"]
    scene.connections.put("n1.a", "n1")
    for _ in range(2):
        scene.send("n1.a")
        await scene.receivers()
    assert [endpoint for endpoint, _ in scene.sent] == ["http://n2", "http://n1", "http://n1"]
    assert len(scene.connections.reads) == 1


async def test_a_connection_whose_node_died_is_looked_for_elsewhere(scene: Scene) -> None:
    scene.down.add("http://n1")
    scene.connections.put("n1.a", "n2")
    scene.send("n1.a")
    await until(lambda: scene.sent == [("http://n2", scene.sent[0][1])] if scene.sent else False)


async def test_a_connection_that_is_nowhere_is_dropped_and_counted(scene: Scene) -> None:
    scene.gone["http://n1"] = ["n1.a"]
    scene.connections.put("n1.a", "n1")  # its node says that it does not have it
    scene.send("n1.a")
    await scene.receivers()
    assert scene.dropped() == 1
    scene.send("unknown.a")
    await scene.receivers()
    assert scene.dropped() == 2


async def test_a_connection_that_is_gone_where_it_was_found_is_dropped(scene: Scene) -> None:
    scene.gone = {"http://n1": ["n1.a"], "http://n2": ["n1.a"]}
    scene.connections.put("n1.a", "n2")
    scene.send("n1.a")
    await scene.receivers()
    await until(lambda: scene.dropped() == 1)
    assert len(scene.connections.reads) == 1


@pytest.mark.parametrize("kind", ["progress", "chunk"])
async def test_who_was_nowhere_is_not_looked_for_again_soon_for_a_frame_of_many(scene: Scene, kind: Kind) -> None:
    scene.send("gone.a", kind=kind)
    await scene.receivers()
    scene.send("gone.a", kind=kind)
    await scene.receivers()
    assert (len(scene.connections.reads), scene.dropped()) == (1, 2)
    scene.send("gone.a", kind="outcome")
    await scene.receivers()
    assert len(scene.connections.reads) == 2


async def test_of_several_it_is_enough_that_one_may_be_found(scene: Scene) -> None:
    scene.send("gone.a", kind="chunk")
    await scene.receivers()
    scene.connections.put("gone.b", "n2")
    scene.send("gone.a", "gone.b", kind="chunk")
    assert await scene.receivers() == [("http://n2", ["gone.b"])]


async def test_a_store_that_is_away_drops_what_needs_it(scene: Scene) -> None:
    scene.connections.error = StoreUnavailable("away")
    with capture_logs() as events:
        scene.send("n3.a")
        scene.send("n1.b")
        assert await scene.receivers() == [("http://n1", ["n1.b"])]
    assert [event["event"] for event in events] == ["connections_not_found"]
    assert scene.dropped() == 1


async def test_what_waits_to_be_looked_up_is_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(courier_module, "MAX_WAITING", 2)
    for number in range(5):
        scene.send(f"n3.{number}")
    await scene.receivers()
    assert scene.dropped("full") == 3


async def test_what_is_remembered_is_bounded(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_module, "MAX_MOVED", 2)
    for number in range(5):
        scene.connections.put(f"old.{number}", "n1")
        scene.send(f"old.{number}")
        await scene.receivers()
    assert len(scene.courier._where._moved) == 2


async def test_closing_stops_a_search(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    started = asyncio.Event()

    async def hang(_: Collection[str]) -> Mapping[str, Connection]:
        started.set()
        await asyncio.Event().wait()
        return {}

    monkeypatch.setattr(scene.connections, "get_many", hang)
    scene.send("n3.a")
    await started.wait()
    await scene.courier.close()
