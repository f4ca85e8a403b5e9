"""A submit that does not come to its end; what a client sees of the others is in tests/integration/app."""

import asyncio
import contextlib
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, cast

import pytest

from app.meters import Known, Meter
from app.submit import Submits
from streamer.actions import define
from streamer.errors import RateLimited, StoreUnavailable
from streamer.intake import Policy
from streamer.jobs.model import Aside, Job, Status, Submission
from streamer.protocol.messages import DEFAULT_OPTIONS, Options, Request
from streamer.store.base import Enqueued
from streamer.telemetry.metrics import Metrics
from tests.support.until import until
from tests.unit.app.parts import Socket, connection, job


class World:
    """The store and the rest of the node. `enqueue` takes until `go`."""

    def __init__(self) -> None:
        self.row = job()
        self.error: Exception | None = None
        self.full = False  # the tenant has as many jobs waiting as it may
        self.stored: Job | None = None  # what `get` finds
        self.submissions: list[Submission] = []
        self.created = True
        self.calls = 0
        self.go = asyncio.Event()
        self.hinted: list[str] = []
        self.reread: list[str] = []
        self.joined: list[str] = []

    async def settled(self, _: Any) -> None: ...

    def keep(self, _: str) -> None: ...

    async def admit(self, *_: str) -> AbstractContextManager[None]:
        if self.full:
            raise RateLimited("At most 2.", after_ms=1_000)
        return contextlib.nullcontext()

    async def get(self, _: str) -> Job | None:
        return self.stored

    async def enqueue(self, submission: Submission) -> Enqueued:
        self.calls += 1
        self.submissions.append(submission)
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return Enqueued(self.row, created=self.created)

    async def load(self, *_: Any) -> bytes:
        raise StoreUnavailable

    def tell(self, row: Job) -> None:
        self.hinted.append(row.job_id)

    def watch(self, _: Any, tracker: Any) -> None:
        self.reread.append(tracker.job_id)

    async def catch_up(self, _: Any, jobs: Any) -> None:
        self.joined += [row.job_id for _, row in jobs]

    def start(self, work: Any, name: str) -> None:
        asyncio.create_task(work, name=name)  # noqa: RUF006  # it never waits


class Stage:
    def __init__(self) -> None:
        self.world = World()
        self.metrics = Metrics()
        self.socket = Socket()
        self.connection = connection(self.socket, v1=True)
        world = cast("Any", self.world)
        self.submits = Submits(
            requests=world,
            registrar=world,
            bindings=world,
            listeners=world,
            quota=world,
            hints=world,
            catchups=world,
            rereads=world,
            tasks=world,
            policy=Policy(max_retries=3, start_within_ms=1_000),
        )

    def submit(self, options: Options = DEFAULT_OPTIONS, *, told: float = 0.0) -> "asyncio.Task[None]":
        async def handler() -> None: ...

        known = Known(define("echo_async", handler, module=__name__), Meter(self.metrics, "echo_async"), 5.0)
        message = Request("r1", "echo_async", {}, None, options)
        return asyncio.create_task(self.submits.submit(self.connection, known, message, told=told), name="submit")

    def counted(self, result: str) -> float | None:
        labels = {"action": "echo_async", "result": result}
        return self.metrics.registry.get_sample_value("streamer_submits_total", labels)

    @property
    def told(self) -> list[str]:
        return [frame["type"] for frame in self.socket.frames]


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def test_a_submit_that_is_stopped_is_refused_in_words_that_ask_for_it_again(stage: Stage) -> None:
    """It may have been stored all the same."""
    task = stage.submit()
    await until(lambda: stage.world.calls)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    (refusal,) = stage.socket.frames
    assert (refusal["final"], refusal["error"]["code"], refusal["request_id"]) == (False, "STORAGE_ERROR", "r1")
    assert refusal["error"]["retry"]["retryable"] is True
    assert (stage.connection.in_flight, stage.connection.is_fresh) == (0, True)
    assert stage.counted("failed") == 1
    assert not stage.world.hinted


async def test_the_outcome_of_a_job_whose_result_cannot_be_read_now_comes_later(stage: Stage) -> None:
    stage.world.go.set()
    stage.world.row = replace(job(), status=Status.COMPLETED, attempt=1, result=Aside("r#1", 1))
    stage.world.created = False
    await stage.submit()
    assert stage.told == ["acknowledgment"]
    assert stage.world.reread == [stage.world.row.job_id]
    assert stage.connection.trackers[stage.world.row.job_id].is_wanted


async def test_workers_are_told_of_a_new_job(stage: Stage) -> None:
    stage.world.go.set()
    await stage.submit()
    stage.world.created = False
    for status in (Status.PENDING, Status.PROCESSING):
        stage.world.row = replace(job(), status=status)
        await stage.submit()
    assert stage.world.hinted == [job().job_id]
    await until(lambda: stage.world.joined)
    assert stage.world.joined == [job().job_id]  # what runs is joined


async def test_a_repeat_of_an_id_does_not_end_the_wait_for_the_one_before_too_early(stage: Stage) -> None:
    """A cancel waits for the newest submit of its id."""
    first, second = stage.submit(), stage.submit()
    await until(lambda: stage.world.calls == 2)
    newest = stage.connection.pending["r1"]
    first.cancel()
    await asyncio.wait([first])
    assert stage.connection.pending == {"r1": newest}
    assert not newest.done()
    stage.world.go.set()
    await second
    assert newest.done()
    assert not stage.connection.pending


async def test_what_is_stored_is_what_was_asked_for(stage: Stage) -> None:
    stage.world.go.set()
    await stage.submit(Options(delay_ms=500, durable=True, expires_in_ms=60_000))
    (submission,) = stage.world.submissions
    assert (submission.client_id, submission.action, submission.connection) == ("r1", "echo_async", "n1.c1")
    assert (submission.delay_ms, submission.durable, submission.expires_in_ms) == (500, True, 60_000)
    assert (submission.max_retries, submission.start_within_ms) == (3, 1_000)


async def test_a_tenant_that_has_enough_waiting_is_refused(stage: Stage) -> None:
    stage.world.go.set()
    stage.world.full = True
    await stage.submit()
    (refusal,) = stage.socket.frames
    assert (refusal["final"], refusal["error"]["code"]) == (False, "RATE_LIMITED")
    assert refusal["error"]["retry"] == {"retryable": True, "after_ms": 1_000}
    assert (stage.counted("refused"), stage.world.calls) == (1, 0)


async def test_a_repeat_takes_no_room(stage: Stage) -> None:
    """What is stored is acknowledged again, however full it is."""
    stage.world.go.set()
    stage.world.full, stage.world.created = True, False
    stage.world.stored = stage.world.row
    await stage.submit()
    assert stage.told == ["acknowledgment"]


async def test_progress_does_not_fall_below_what_was_told_before(stage: Stage) -> None:
    stage.world.go.set()
    await stage.submit(told=40.0)
    await stage.submit()
    assert stage.connection.trackers[stage.world.row.job_id].percentage == 40.0
