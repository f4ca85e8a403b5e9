"""Cancels, deaths, and workers that leave."""

import asyncio

import aiohttp
import pytest

from streamer.cluster.registry import WORKER
from streamer.context import Context
from streamer.jobs.model import Failure, Job, Status
from tests.integration.workers.cut import Cut
from tests.integration.workers.stage import Stage
from tests.support.until import until
from workers import attempt, upkeep
from workers.wakeups import Wakeups


class Handler:
    """Runs until it is told to go on; knows how often it was started and stopped."""

    def __init__(self) -> None:
        self.attempts: list[int] = []
        self.stopped = 0
        self.go = asyncio.Event()

    async def __call__(self, ctx: Context) -> int:
        self.attempts.append(ctx.attempt)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise
        return ctx.attempt


@pytest.fixture
def handler(stage: Stage) -> Handler:
    handler = Handler()
    stage.action("work", handler)
    return handler


async def status_of(stage: Stage, job: Job) -> Status:
    return (await stage.row(job)).status


# --- cancel -------------------------------------------------------------------------------------------------


async def test_a_running_job_is_cancelled_by_a_call(stage: Stage, handler: Handler) -> None:
    worker = await stage.worker()
    job = await stage.submit("work")
    await until(lambda: handler.attempts)
    await stage.store.requests.cancel("acme", "ann", "r1")
    assert await stage.call(worker, "cancel", [job.job_id, "unknown"]) == {}
    row = await stage.finished(job)
    assert (row.status, handler.stopped) == (Status.CANCELLED, 1)
    assert stage.node.frames(job)[-1]["error"]["code"] == "CANCELLED"
    assert stage.counted("attempts_total", action="work", outcome="cancelled") == 1


async def test_a_cancel_that_nobody_requested_changes_nothing(stage: Stage, handler: Handler) -> None:
    worker = await stage.worker()
    job = await stage.submit("work")
    await until(lambda: handler.attempts)
    await stage.call(worker, "cancel", [job.job_id])
    handler.go.set()
    assert (await stage.finished(job)).status is Status.COMPLETED


async def test_a_cancel_without_a_call_is_found_on_the_row(
    stage: Stage, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep.Upkeep.__init__, "__kwdefaults__", {"every_s": 0.05})
    await stage.worker()
    job = await stage.submit("work")
    await until(lambda: handler.attempts)
    await stage.store.requests.cancel("acme", "ann", "r1")
    assert (await stage.finished(job)).status is Status.CANCELLED


async def test_a_cancel_is_learned_from_the_answer_to_a_saved_progress(stage: Stage) -> None:
    go = asyncio.Event()

    async def work(ctx: Context) -> None:
        await go.wait()
        await ctx.progress(50)
        await asyncio.Event().wait()

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work")

    async def is_running() -> bool:
        return await status_of(stage, job) is Status.PROCESSING

    await until(is_running)
    await stage.store.requests.cancel("acme", "ann", "r1")
    go.set()
    assert (await stage.finished(job)).status is Status.CANCELLED


async def test_a_handler_that_completes_though_cancelled_has_won(stage: Stage) -> None:
    started = asyncio.Event()

    async def work() -> str:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "finished anyway"
        return "never"

    stage.action("work", work)
    worker = await stage.worker()
    job = await stage.submit("work")
    await started.wait()
    await stage.store.requests.cancel("acme", "ann", "r1")
    await stage.call(worker, "cancel", [job.job_id])
    row = await stage.finished(job)
    assert (row.status, row.result) == (Status.COMPLETED, b'"finished anyway"')


async def test_a_handler_that_ignores_its_cancel_is_recorded_and_keeps_its_slot(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempt, "STUBBORN_S", 0.05)
    started, go = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue

    stage.action("work", work)
    worker = await stage.worker(worker_slots=1)
    job = await stage.submit("work")
    await started.wait()
    await stage.store.requests.cancel("acme", "ann", "r1")
    await stage.call(worker, "cancel", [job.job_id])
    assert (await stage.finished(job)).status is Status.CANCELLED
    other = await stage.submit("work", client_id="r2")
    assert (await stage.hint(worker, other))["taken"] == []
    go.set()
    assert (await stage.finished(other)).status is Status.COMPLETED


async def test_new_routes_reach_a_running_job(stage: Stage, handler: Handler) -> None:
    worker = await stage.worker()
    job = await stage.submit("work", connection=None)
    await until(lambda: handler.attempts)
    late = stage.node.connection()
    await stage.store.requests.attach(job.job_id, "acme", "ann", late)
    told = await stage.call(worker, "flush", [{"id": job.job_id, "routes": [late]}])
    assert told["chunks"] == {job.job_id: 0}
    handler.go.set()
    await stage.finished(job)
    assert stage.node.delivered[-1].meta["c"] == [late]


# --- leaving ------------------------------------------------------------------------------------------------


async def test_stopping_waits_for_what_runs(stage: Stage, handler: Handler) -> None:
    worker = await stage.worker()
    job = await stage.submit("work")
    await until(lambda: handler.attempts)
    worker.stop()

    async def is_draining() -> bool:
        (row,) = await stage.store.nodes.list(WORKER)
        return bool(row.info["draining"])

    await until(is_draining)
    assert not worker.is_ready
    handler.go.set()
    await stage.stop(worker)
    row = await stage.row(job)
    assert (row.status, row.attempt) == (Status.COMPLETED, 1)
    assert stage.node.types(job) == ["complete"]
    assert await stage.store.nodes.list(WORKER) == []


async def test_what_does_not_end_in_time_is_given_back_at_no_cost(stage: Stage, handler: Handler) -> None:
    worker = await stage.worker(grace_s=0)
    job = await stage.submit("work")
    await until(lambda: handler.attempts)
    await stage.stop(worker)
    row = await stage.row(job)
    assert (row.status, row.attempt, row.retry_count) == (Status.PENDING, 1, 0)
    assert stage.node.types(job) == ["retrying"]
    assert stage.node.frames(job)[0]["error"]["code"] == "SERVICE_UNAVAILABLE"
    assert await stage.store.nodes.list(WORKER) == []
    handler.go.set()
    await stage.worker()
    row = await stage.finished(job)
    assert (row.status, row.attempt) == (Status.COMPLETED, 2)
    assert stage.counted("jobs_given_back_total", reason="released") == 1


async def test_a_stopping_worker_takes_no_hints(stage: Stage, handler: Handler) -> None:
    worker = await stage.worker(sweep_s=120)
    first = await stage.submit("work")
    await stage.hint(worker, first)
    await until(lambda: handler.attempts)
    worker.stop()
    second = await stage.submit("work", client_id="r2")
    assert (await stage.hint(worker, second))["taken"] == []
    handler.go.set()
    await stage.stop(worker)
    assert await status_of(stage, second) is Status.PENDING


async def test_stopping_while_the_store_is_away_leaves_the_row_to_be_found_dead(
    stage: Stage, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.worker.RELEASE_S", 0.1)
    cut = Cut(stage.store)
    worker = await stage.worker(store=cut.store, grace_s=0)
    job = await stage.submit("work", max_retries=1)
    await until(lambda: handler.attempts)
    cut.is_away = True
    await stage.stop(worker)
    assert await status_of(stage, job) is Status.PROCESSING
    assert len(await stage.store.nodes.list(WORKER)) == 1
    handler.go.set()
    await stage.worker()
    row = await stage.finished(job)
    assert (row.status, row.attempt, row.retry_count) == (Status.COMPLETED, 2, 1)


async def test_an_idle_worker_that_cannot_remove_its_row_still_ends(stage: Stage, handler: Handler) -> None:
    cut = Cut(stage.store)
    worker = await stage.worker(store=cut.store)
    cut.is_away = True
    await stage.stop(worker)
    assert len(await stage.store.nodes.list(WORKER)) == 1
    assert handler.attempts == []


# --- dying --------------------------------------------------------------------------------------------------


class Body:
    """A worker that is dead as far as others can see: its beats stop, its handlers run on."""

    def __init__(self, stage: Stage) -> None:
        self.cut = Cut(stage.store)

    async def die(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("workers.session.Session._is_late", lambda _: False)
        monkeypatch.setattr("workers.session.Session._late_at", lambda _: asyncio.get_running_loop().time() + 1.0)
        self.cut.is_away = True


async def test_a_dead_workers_job_is_run_by_another_and_the_zombie_is_fenced(
    stage: Stage, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = Body(stage)
    zombie = await stage.worker(store=body.cut.store)
    dead_id = zombie.session_id
    job = await stage.submit("work", max_retries=1)
    await until(lambda: handler.attempts == [1])
    await body.die(monkeypatch)
    await stage.worker()
    await until(lambda: handler.attempts == [1, 2])
    await until(lambda: stage.node.types(job) == ["retrying"])
    assert stage.node.frames(job)[0]["error"]["code"] == "WORKER_LOST"

    async def is_buried() -> bool:
        return dead_id not in {row.node_id for row in await stage.store.nodes.list(WORKER)}

    await until(is_buried)
    assert stage.counted("sessions_dead_total") == 1
    body.cut.is_away = False
    handler.go.set()
    row = await stage.finished(job)
    assert (row.attempt, row.retry_count, row.result) == (2, 1, b"2")
    await until(lambda: stage.counted("attempts_total", action="work", outcome="fenced") == 1)
    assert stage.node.types(job) == ["retrying", "complete"]


async def test_a_lost_job_without_retries_has_failed(
    stage: Stage, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = Body(stage)
    await stage.worker(store=body.cut.store)
    job = await stage.submit("work")
    await until(lambda: handler.attempts == [1])
    await body.die(monkeypatch)
    await stage.worker()
    row = await stage.finished(job)
    assert row.status is Status.FAILED
    assert stage.node.frames(job)[-1]["error"]["code"] == "WORKER_LOST"
    body.cut.is_away = False
    handler.go.set()


async def test_a_store_that_is_away_for_long_costs_no_retry(stage: Stage, handler: Handler) -> None:
    cut = Cut(stage.store)
    worker = await stage.worker(store=cut.store)
    first_id = worker.session_id
    job = await stage.submit("work")
    await until(lambda: handler.attempts == [1])
    cut.is_away = True
    await until(lambda: handler.stopped == 1)
    assert worker.session_id != first_id
    handler.go.set()
    cut.is_away = False
    row = await stage.finished(job)
    assert (row.status, row.attempt, row.retry_count) == (Status.COMPLETED, 2, 0)
    assert stage.node.types(job) == ["retrying", "complete"]
    assert worker.is_ready


async def test_a_result_is_recorded_when_the_store_is_back(stage: Stage, handler: Handler) -> None:
    cut = Cut(stage.store)
    await stage.worker(store=cut.store)
    job = await stage.submit("work")
    await until(lambda: handler.attempts == [1])
    cut.is_away = True
    handler.go.set()
    await until(lambda: "complete" in cut.calls)
    cut.is_away = False
    row = await stage.finished(job)
    assert (row.status, row.attempt) == (Status.COMPLETED, 1)


async def test_a_lost_answer_to_a_claim_or_a_result_changes_nothing(stage: Stage, handler: Handler) -> None:
    cut = Cut(stage.store)
    cut.lost = {"claim": 1, "complete": 1}
    await stage.worker(store=cut.store)
    job = await stage.submit("work")
    await until(lambda: handler.attempts == [1])
    handler.go.set()
    row = await stage.finished(job)
    assert (row.status, row.attempt) == (Status.COMPLETED, 1)
    assert stage.node.types(job) == ["complete"]


async def test_an_attempt_that_somebody_else_ended_is_stopped(
    stage: Stage, handler: Handler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upkeep.Upkeep.__init__, "__kwdefaults__", {"every_s": 0.05})
    await stage.worker()
    job = await stage.submit("work")
    await until(lambda: handler.attempts == [1])
    await stage.store.requests.fail(await stage.row(job), Failure("BY_HAND", "stopped by an operator"), 5)
    await until(lambda: handler.stopped == 1)
    await until(lambda: stage.counted("attempts_total", action="work", outcome="fenced") == 1)
    assert stage.node.frames(job) == []


# --- the listener -------------------------------------------------------------------------------------------


async def test_a_worker_starts_before_its_store(stage: Stage, handler: Handler) -> None:
    cut = Cut(stage.store)
    cut.is_away = True
    worker = stage.start(stage.made(store=cut.store))
    await until(lambda: cut.calls.count("check") > 1)
    async with aiohttp.ClientSession() as http:
        assert (await http.get(f"{worker.endpoint}/livez")).status == 200
        assert (await http.get(f"{worker.endpoint}/readyz")).status == 503
        cut.is_away = False
        await until(lambda: worker.is_ready)
        assert (await http.get(f"{worker.endpoint}/readyz")).status == 200
        assert b"streamer_running" in await (await http.get(f"{worker.endpoint}/metrics")).read()
    job = await stage.submit("work")
    handler.go.set()
    await stage.finished(job)


async def test_a_worker_whose_store_never_comes_can_be_stopped(stage: Stage, handler: Handler) -> None:
    cut = Cut(stage.store)
    cut.is_away = True
    worker = stage.start(stage.made(store=cut.store))
    await until(lambda: cut.calls)
    await stage.stop(worker)
    assert handler.attempts == []


async def test_a_hint_starts_a_job_at_once(stage: Stage, handler: Handler, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: Wakeups) -> None: ...

    monkeypatch.setattr(Wakeups, "sweep", nothing)  # the first one, at the start, may be just about to find it too
    worker = await stage.worker()
    job = await stage.submit("work")
    assert (await stage.hint(worker, job))["taken"] == [job.job_id]
    await until(lambda: handler.attempts)
    assert (await stage.hint(worker, job))["taken"] == [job.job_id]
    handler.go.set()
    await stage.finished(job)
    assert stage.counted("start_delay_seconds_count", wakeup="direct") == 1


async def test_hints_can_be_switched_off(stage: Stage, handler: Handler) -> None:
    worker = await stage.worker(wakeups=frozenset({"sweep"}))
    job = await stage.submit("work")
    assert (await stage.hint(worker, job))["taken"] == []
    handler.go.set()
    await stage.finished(job)


async def test_a_part_that_dies_ends_the_worker(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("workers.rescue.Rescue.run", broken)
    worker = stage.made()
    with pytest.raises(ExceptionGroup, match="TaskGroup"):
        await worker.run()


async def test_a_fault_of_ours_loses_no_job(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep.Upkeep.__init__, "__kwdefaults__", {"every_s": 0.05})
    runs = []

    async def work(ctx: Context) -> int:
        runs.append(ctx.attempt)
        return ctx.attempt

    stage.action("work", work)
    worker = await stage.worker()
    run = worker.parts.executor.run

    async def break_once(_: attempt.Attempt) -> None:
        monkeypatch.setattr(worker.parts.executor, "run", run)
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(worker.parts.executor, "run", break_once)
    job = await stage.submit("work")
    row = await stage.finished(job)
    assert (row.attempt, row.retry_count, runs) == (2, 0, [2])
