"""Bounds and interruptions; what a client sees is in tests/integration/app."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from app.binding import Bindings
from app.catchup import Behind, CatchUps
from app.connection import Connection
from app.limits import Allowance
from app.listeners import Listeners
from app.resume import Resumes
from streamer.errors import StoreUnavailable
from streamer.jobs import ids
from streamer.jobs.model import Job, Status
from streamer.protocol.messages import Resume, Seen
from streamer.store.base import Chunk, EventLog, RequestQueue
from tests.support.until import until
from tests.unit.app.parts import Socket, connection, job

TTL_MS = 60_000


@dataclass
class World:
    """The store and the rest of the node. Rows are old: their output may have expired."""

    rows: dict[str, Job] = field(default_factory=dict)
    reading: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)
    page: Sequence[Chunk] | Exception = ()
    attached: int = 0
    at_once: int = 0
    most_at_once: int = 0
    caught_up: list[str] = field(default_factory=list)

    async def settled(self, _: Connection) -> None: ...

    async def get_many(self, job_ids: Collection[str]) -> Mapping[str, Job]:
        self.reading += 1
        await self.go.wait()
        return {job_id: self.rows[job_id] for job_id in job_ids if job_id in self.rows}

    async def read_events(self, _: Job, __: int) -> Sequence[Chunk]:
        if isinstance(self.page, Exception):
            raise self.page
        return self.page

    async def attach(self, _: Connection, row: Job) -> Job:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.wait([asyncio.create_task(self.go.wait(), name="write")])
        self.at_once -= 1
        self.attached += 1
        return row

    async def catch_up(self, _: Connection, jobs: Sequence[Behind]) -> None:
        self.caught_up += [row.client_id for _, row in jobs]


class Stage:
    def __init__(self, width: int = 64) -> None:
        self.world = World()
        self.socket = Socket()
        self.connection = connection(self.socket, name="n1.c", v1=True)
        self.resumes = Resumes(
            requests=cast("RequestQueue", self.world),
            events=cast("EventLog", self.world),
            bindings=cast("Bindings", self.world),
            listeners=cast("Listeners", self.world),
            catchups=cast("CatchUps", self.world),
            gate=asyncio.Semaphore(width),
            ttl_ms=TTL_MS,
            clock=lambda: 1_000 + TTL_MS,
        )

    def stored(self, *names: str, **changes: Any) -> None:
        for name in names:
            job_id = ids.job_id("t1", "ann", name)
            row = replace(job(client_id=name, connection="n1.c"), status=Status.PROCESSING, attempt=1)
            self.world.rows[job_id] = replace(row, **changes)

    def resume(self, *names: str, chunks: int = 0) -> "asyncio.Task[None]":
        message = Resume(None, 0, [Seen(name, 1, 1, chunks) for name in names])
        return asyncio.create_task(self.resumes.resume(self.connection, message), name="resume")

    @property
    def recovered(self) -> list[bool]:
        return [each["recovered"] for each in self.socket.frames[0]["requests"]]


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def test_so_many_ask_the_store_at_a_time() -> None:
    stage = Stage(width=2)
    tasks = [stage.resume(f"r{number}") for number in range(5)]
    await until(lambda: stage.world.reading == 2)
    assert stage.connection.in_flight == 5
    assert len(stage.connection.trackers) == 5  # before anything is read
    stage.world.go.set()
    await asyncio.gather(*tasks)
    assert stage.world.reading == 5
    assert stage.connection.in_flight == 0


async def test_one_resume_writes_few_rows_at_a_time(stage: Stage) -> None:
    names = [f"r{number}" for number in range(40)]
    stage.stored(*names, routes=frozenset({"n2.c"}))
    stage.world.go.set()
    await stage.resume(*names)
    assert (stage.world.attached, stage.world.most_at_once) == (40, 16)
    assert stage.world.caught_up == names


async def test_an_interrupted_resume_tracks_nothing(stage: Stage) -> None:
    task = stage.resume("r1", "r2")
    await until(lambda: stage.world.reading)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert stage.connection.is_fresh
    assert stage.connection.in_flight == 0


async def test_a_resume_of_nothing_asks_nothing(stage: Stage) -> None:
    await stage.resume()
    assert not stage.world.reading
    assert stage.socket.frames[0]["requests"] == []


@pytest.mark.parametrize(
    ("page", "row", "recovered"),
    [
        ([Chunk(2, 1, 4, b"1")], {}, True),
        ([Chunk(3, 1, 4, b"1")], {}, False),
        ([], {}, True),  # nothing more is stored, as yet
        ([], {"status": Status.COMPLETED, "chunks": 2}, True),
        ([], {"status": Status.COMPLETED, "chunks": 3}, False),
        (StoreUnavailable(), {}, False),
        ([Chunk(3, 1, 4, b"1")], {"created_ms": 1_001}, True),  # too young: the log is not asked
    ],
)
async def test_what_has_expired_is_told(
    stage: Stage, page: Sequence[Chunk] | Exception, row: dict[str, Any], recovered: bool
) -> None:
    stage.stored("r1", **row)
    stage.world.page = page
    stage.world.go.set()
    await stage.resume("r1", chunks=2)
    assert stage.recovered == [recovered]


async def test_an_interrupted_resume_leaves_alone_what_was_tracked_before(stage: Stage) -> None:
    job_id = ids.job_id("t1", "ann", "r1")
    before = stage.connection.resume(job_id, Seen("r1"))
    task = stage.resume("r1", "r2")
    await until(lambda: stage.world.reading)
    task.cancel()
    await asyncio.wait([task])
    assert stage.connection.trackers == {job_id: before}


async def test_what_is_named_twice_is_sent_once(stage: Stage) -> None:
    stage.stored("r1")
    stage.world.go.set()
    await stage.resume("r1", "r1")
    assert [each["request_id"] for each in stage.socket.frames[0]["requests"]] == ["r1", "r1"]
    assert stage.world.caught_up == ["r1"]


async def test_a_thousand_requests_cost_a_thousand_messages(stage: Stage) -> None:
    """Though the frame itself was admitted as one."""
    stage.connection.allowance = bucket = Allowance(10, time.monotonic())
    assert bucket.take(time.monotonic()) == 0
    stage.world.go.set()
    await stage.resume(*(f"r{number}" for number in range(1_000)))
    assert bucket.take(time.monotonic()) > 90_000
