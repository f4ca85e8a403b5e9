import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson
import pytest

from app import hints as hinting
from app.hints import Hints
from app.tasks import Tasks
from streamer.cluster.calls import Unreachable
from streamer.cluster.registry import WORKER, Peers
from streamer.store.base import NodeRow, now_ms
from streamer.telemetry.metrics import Metrics
from tests.support.until import until
from tests.unit.app.parts import Rows, job


def worker(name: str, free: int = 5, *, beat: int = 1, **changes: Any) -> NodeRow:
    info = {"endpoint": f"http://{name}", "free": free, "queues": ["default"], "actions": ["echo_async"], **changes}
    return NodeRow(WORKER, name, beat, info)


class Stage:
    """Workers that answer as `answer` says: endpoint, job ids -> taken ids."""

    def __init__(self) -> None:
        self.rows = Rows()
        self.peers = Peers(self.rows, WORKER)
        self.metrics = Metrics()
        self.tasks = Tasks(lambda: None)
        self.calls: list[tuple[str, list[str]]] = []
        self.answer: Callable[[str, list[str]], Any] = lambda _, ids: {"taken": ids}
        self.held = asyncio.Event()
        self.held.set()
        self.hints = Hints(self.post, self.peers, self.tasks, self.metrics)

    async def post(self, endpoint: str, path: str, body: bytes) -> bytes:
        assert path == hinting.HINT
        jobs = orjson.loads(body)["jobs"]
        assert {"id", "queue", "action"} == set(jobs[0])
        self.calls.append((endpoint, [each["id"] for each in jobs]))
        await self.held.wait()
        answer = self.answer(*self.calls[-1])
        if isinstance(answer, Exception):
            raise answer
        return orjson.dumps(answer)

    async def set(self, *rows: NodeRow) -> None:
        self.rows.rows = list(rows)
        await self.peers.refresh()

    async def done(self) -> None:
        await until(lambda: len(self.tasks) == 0)

    def count(self, result: str) -> float:
        return self.metrics.registry.get_sample_value("streamer_hints_total", {"result": result}) or 0.0


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def test_jobs_of_one_round_go_together(stage: Stage) -> None:
    await stage.set(worker("w1"))
    for name in ("a", "b", "c"):
        stage.hints.tell(job(client_id=name))
    await stage.done()
    assert [len(ids) for _, ids in stage.calls] == [3]
    assert stage.count("taken") == 3


async def test_nobody_is_told_where_nobody_has_room(stage: Stage) -> None:
    await stage.set(
        worker("full", 0),
        worker("leaving", draining=True),
        worker("elsewhere", queues=["other"]),
        worker("ignorant", actions=[]),
    )
    stage.hints.tell(job())
    assert not stage.calls
    assert len(stage.tasks) == 0


async def test_slots_that_were_promised_are_not_promised_again(stage: Stage) -> None:
    await stage.set(worker("w1", 2))
    for name in ("a", "b", "c"):
        stage.hints.tell(job(client_id=name))
    await stage.done()
    assert len(stage.calls[0][1]) == 2
    await stage.set(worker("w1", 2, beat=2))
    stage.hints.tell(job(client_id="d"))
    await stage.done()
    assert len(stage.calls) == 2


async def test_slots_that_a_worker_has_again_may_be_promised_again(stage: Stage) -> None:
    """Its row is some seconds old, and its jobs are short."""
    await stage.set(worker("w1", 1))
    stage.answer = lambda _, ids: {"taken": ids, "free": 1}
    for name in ("a", "b", "c"):
        stage.hints.tell(job(client_id=name))
        await stage.done()
    assert len(stage.calls) == 3
    stage.answer = lambda _, ids: {"taken": ids, "free": 0}
    for name in ("d", "e"):
        stage.hints.tell(job(client_id=name))
        await stage.done()
    assert len(stage.calls) == 4


async def test_the_freer_of_two_is_told(stage: Stage) -> None:
    await stage.set(worker("w1", 1), worker("w2", 9))
    stage.hints.tell(job())
    await stage.done()
    assert stage.calls[0][0] == "http://w2"


async def test_a_job_that_is_not_taken_is_offered_to_two_more(stage: Stage) -> None:
    await stage.set(*(worker(f"w{number}") for number in range(5)))
    stage.answer = lambda *_: {"taken": []}
    stage.hints.tell(job())
    await stage.done()
    assert len({endpoint for endpoint, _ in stage.calls}) == 3
    assert stage.count("refused") == 3


async def test_a_worker_that_refuses_is_full_until_its_row_says_otherwise(stage: Stage) -> None:
    await stage.set(worker("w1"))
    stage.answer = lambda *_: {"taken": []}
    stage.hints.tell(job(client_id="a"))
    await stage.done()
    stage.hints.tell(job(client_id="b"))
    await stage.done()
    assert len(stage.calls) == 1
    await stage.set(worker("w1", beat=2))
    stage.hints.tell(job(client_id="b"))
    await stage.done()
    assert len(stage.calls) == 2


@pytest.mark.parametrize("answer", [Unreachable("no"), [], None])
async def test_a_worker_that_does_not_answer_is_left_out(stage: Stage, answer: Any) -> None:
    await stage.set(worker("w1"), worker("w2"))
    stage.answer = lambda *_: answer
    stage.hints.tell(job())
    await stage.done()
    assert len(stage.calls) == 2


async def test_a_worker_that_leaves_meanwhile_is_left_out(stage: Stage) -> None:
    await stage.set(worker("w1"))
    stage.hints.tell(job())
    await stage.set()
    await stage.done()
    assert not stage.calls
    assert stage.count("failed") == 1


async def test_what_comes_while_a_post_is_under_way_goes_with_the_next(stage: Stage) -> None:
    await stage.set(worker("w1"))
    stage.held.clear()
    stage.hints.tell(job(client_id="a"))
    await until(lambda: stage.calls)
    for name in ("b", "c"):
        stage.hints.tell(job(client_id=name))
    stage.held.set()
    await stage.done()
    assert [len(ids) for _, ids in stage.calls] == [1, 2]


async def test_a_job_that_suits_nobody_is_hinted_once_more_when_workers_are_seen(stage: Stage) -> None:
    await stage.set()
    stage.hints.tell(job(client_id="early"))
    stage.hints.workers_seen()
    stage.hints.workers_seen()
    await stage.set(worker("w1"))
    stage.hints.tell(job(client_id="late"))
    stage.hints.workers_seen()
    await stage.done()
    assert [len(ids) for _, ids in stage.calls] == [1]

    stage.calls.clear()
    await stage.set(worker("w2", actions=["another"]))
    stage.hints.tell(job(client_id="held"))
    await stage.set(worker("w1"))
    stage.hints.workers_seen()
    await stage.done()
    assert [endpoint for endpoint, _ in stage.calls] == ["http://w1"]


async def test_a_delayed_job_is_hinted_at_when_it_is_due(stage: Stage) -> None:
    await stage.set(worker("w1"))
    due = now_ms() + 50
    stage.hints.tell(replace(job(), due_ms=due))
    assert not stage.calls
    await until(lambda: stage.calls)
    assert now_ms() >= due
    await stage.done()
    assert stage.hints._delayed == 0


async def test_of_delayed_jobs_only_so_many_wait_for_their_hint(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hinting, "MAX_DELAYED", 1)
    await stage.set(worker("w1"))
    for name in ("first", "second"):
        stage.hints.tell(replace(job(client_id=name), due_ms=now_ms() - 1))
    await until(lambda: stage.calls)
    await stage.done()
    assert [jobs for _, jobs in stage.calls] == [[job(client_id="first").job_id]]


async def test_where_workers_are_not_woken_directly_nobody_is_told(stage: Stage) -> None:
    await stage.set(worker("w1"))
    hints = Hints(stage.post, stage.peers, stage.tasks, stage.metrics, is_on=False)
    hints.tell(job())
    hints.tell(replace(job(), due_ms=now_ms()))
    assert (len(stage.tasks), hints._delayed) == (0, 0)
