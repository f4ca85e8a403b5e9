import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from app.connection import Connection
from app.filling import Fillings
from app.hub import Hub
from app.reread import Rereads
from app.tracker import Tracker
from streamer.errors import StoreUnavailable
from streamer.jobs.model import Aside, Body, Job, Progress, Status
from streamer.store.base import RequestQueue
from streamer.telemetry.metrics import Metrics
from tests.support.until import until
from tests.unit.app.parts import Socket, connection, job


@dataclass
class Queue:
    rows: dict[str, Job] = field(default_factory=dict)
    reads: int = 0
    away: bool = False

    async def get_many(self, job_ids: Collection[str]) -> Mapping[str, Job]:
        self.reads += 1
        if self.away:
            raise StoreUnavailable
        return {key: self.rows[key] for key in job_ids if key in self.rows}

    async def load(self, _: Job, body: Body) -> bytes:
        if isinstance(body, Aside):
            raise StoreUnavailable
        return body


class Stage:
    """A hub with one connection that waits for one job; the time is what the test says."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.queue = Queue()
        self.hub = Hub(Metrics())
        self.socket = Socket()
        self.connection: Connection = connection(self.socket)
        self.hub.add(self.connection)
        self.filled: list[Tracker] = []
        self.rereads = Rereads(
            self.hub,
            cast("RequestQueue", self.queue),
            cast("Fillings", self),
            clock=lambda: self.now,
            wall=lambda: self.now,
        )
        self.job = job()
        self.tracker = self.waiting()

    def start(self, _: Connection, tracker: Tracker, __: Job) -> None:
        """`Fillings.start`."""
        self.filled.append(tracker)

    def waiting(self) -> Tracker:
        tracker = self.connection.track(self.job.job_id, self.job.client_id)
        self.connection.acknowledge(tracker, b'{"type":"acknowledgment"}', 0.0)
        self.rereads.watch(self.connection, tracker)
        return tracker

    def store(self, **changes: Any) -> None:
        self.job = replace(self.job, **changes)
        self.queue.rows[self.job.job_id] = self.job

    async def after(self, seconds: float) -> int:
        """Rows that were read when so much time has passed."""
        before = self.queue.reads
        self.now += seconds
        await self.rereads.read_due()
        return self.queue.reads - before

    @property
    def said(self) -> list[str]:
        return [frame["type"] for frame in self.socket.frames[1:]]


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def test_a_silent_job_is_read_again_at_growing_intervals(stage: Stage) -> None:
    stage.store(status=Status.PROCESSING, attempt=1)
    assert await stage.after(14) == 0
    assert await stage.after(2) == 1
    assert await stage.after(29) == 0
    assert await stage.after(10) == 1
    for _ in range(10):
        await stage.after(400)
    assert await stage.after(299) == 0
    assert await stage.after(77) == 1


async def test_a_job_that_says_something_is_left_alone(stage: Stage) -> None:
    stage.store(status=Status.PROCESSING, attempt=1)
    stage.tracker.heard = stage.now + 10
    assert await stage.after(16) == 0
    assert await stage.after(10) == 1


async def test_newer_progress_of_the_row_is_told_once(stage: Stage) -> None:
    stage.store(status=Status.PROCESSING, attempt=1, seq=4, progress=Progress(40.0))
    await stage.after(16)
    await stage.after(100)
    assert stage.said == ["progress"]


async def test_an_outcome_of_the_row_is_told_and_ends_the_watch(stage: Stage) -> None:
    stage.store(status=Status.COMPLETED, attempt=1, seq=2, result=b"1")
    await stage.after(16)
    assert stage.said == ["progress", "complete"]
    assert await stage.after(1_000) == 0


async def test_a_silent_job_with_output_is_filled_from_the_log(stage: Stage) -> None:
    stage.store(status=Status.PROCESSING, attempt=1)
    stage.tracker.skip_to(3)
    await stage.after(16)
    assert stage.filled == [stage.tracker]


async def test_a_row_that_is_gone_is_an_outcome_too(stage: Stage) -> None:
    await stage.after(16)
    assert stage.socket.frames[1]["error"]["code"] == "NOT_FOUND"
    assert await stage.after(1_000) == 0


@pytest.mark.parametrize("status", [Status.PENDING, Status.RETRYING])
async def test_a_job_that_starts_later_is_not_read_before(stage: Stage, status: Status) -> None:
    stage.store(status=status, due_ms=int((stage.now + 3_000) * 1000))
    assert await stage.after(16) == 1
    assert await stage.after(2_900) == 0
    assert await stage.after(200) == 1


async def test_a_connection_that_is_gone_is_not_looked_after(stage: Stage) -> None:
    stage.hub.remove(stage.connection)
    assert await stage.after(16) == 0


async def test_a_store_that_is_away_is_asked_again(stage: Stage) -> None:
    stage.store(status=Status.COMPLETED, attempt=1, seq=2, result=b"1")
    stage.queue.away = True
    assert await stage.after(16) == 1
    stage.queue.away = False
    assert await stage.after(20) == 1
    assert stage.said == ["progress", "complete"]


async def test_a_result_that_cannot_be_read_is_asked_for_again(stage: Stage) -> None:
    stage.store(status=Status.COMPLETED, attempt=1, seq=2, result=Aside("r#1", 1))
    await stage.after(16)
    assert not stage.said
    stage.store(result=b"1")
    await stage.after(20)
    assert stage.said == ["progress", "complete"]


async def test_one_watch_is_enough(stage: Stage) -> None:
    stage.store(status=Status.PROCESSING, attempt=1)
    stage.rereads.watch(stage.connection, stage.tracker)
    assert len(stage.rereads._due) == 1
    await stage.after(16)
    assert len(stage.rereads._due) == 1


async def test_it_runs_when_something_comes_to_wait_for() -> None:
    stage = Stage()
    stage.rereads = Rereads(stage.hub, cast("RequestQueue", stage.queue), cast("Fillings", stage), first_s=0.0)
    stage.store(status=Status.COMPLETED, attempt=1, seq=2, result=b"1")
    task = asyncio.create_task(stage.rereads.run(), name="rereads")
    await asyncio.sleep(0)
    stage.connection.trackers.clear()
    stage.waiting()
    await until(lambda: "complete" in stage.said)
    task.cancel()
    await asyncio.wait([task])
