"""Jobs whose outcome is pointless after a while."""

import asyncio
import time
from datetime import timedelta

from streamer.context import Context
from streamer.errors import Retry
from streamer.jobs.model import Status
from tests.integration.workers.stage import Stage

LATE = {"code": "TIMEOUT", "message": "The request was not done in time."}


async def test_a_running_attempt_is_stopped_at_the_deadline_and_not_run_again(stage: Stage) -> None:
    stopped = asyncio.Event()

    async def work(ctx: Context) -> None:
        await ctx.emit("a piece")
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    stage.action("work", work, timeout=600)
    await stage.worker()
    job = await stage.submit("work", expires_in_ms=2_000, max_retries=3)
    row = await stage.finished(job)
    assert (row.status, row.attempt, row.chunks) == (Status.FAILED, 1, 1)
    assert stopped.is_set()
    assert stage.node.frames(job)[-1]["error"].items() >= LATE.items()


async def test_a_handler_sees_the_earlier_of_time_out_and_deadline(stage: Stage) -> None:
    async def work(ctx: Context) -> float:
        assert ctx.deadline is not None
        return ctx.deadline - time.time()

    stage.action("work", work, timeout=30)
    stage.action("patient", work)
    await stage.worker()
    given = [("work", 600_000), ("work", 20_000), ("patient", 20_000)]
    left_s = []
    for number, (action, expires_in_ms) in enumerate(given):
        job = await stage.submit(action, client_id=f"r{number}", expires_in_ms=expires_in_ms)
        await stage.finished(job)
        left_s.append(stage.node.frames(job)[-1]["result"])
    assert 20 < left_s[0] <= 30
    assert 0 < left_s[1] <= 20
    assert 0 < left_s[2] <= 20


async def test_an_attempt_that_is_slower_than_its_time_out_runs_again(stage: Stage) -> None:
    async def work(ctx: Context) -> str:
        if ctx.attempt == 1:
            await asyncio.Event().wait()
        return "done"

    stage.action("work", work, timeout=0.05)
    await stage.worker()
    job = await stage.submit("work", expires_in_ms=60_000, max_retries=1)
    assert (await stage.finished(job)).status is Status.COMPLETED


async def test_a_handler_that_answers_all_the_same_has_answered(stage: Stage) -> None:
    async def work() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done all the same"
        return "never"

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work", expires_in_ms=2_000)
    assert (await stage.finished(job)).status is Status.COMPLETED


async def test_a_retry_after_the_deadline_is_a_failure_that_says_how_much_output_there_is(stage: Stage) -> None:
    async def work(ctx: Context) -> None:
        await ctx.emit("a piece")
        raise Retry(timedelta(hours=1))

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work", expires_in_ms=60_000, max_retries=3)
    row = await stage.finished(job)
    assert (row.status, row.chunks) == (Status.FAILED, 1)


async def test_what_nobody_started_in_time_fails_and_its_client_hears_of_it(stage: Stage) -> None:
    async def work() -> None: ...

    stage.action("work", work)
    job = await stage.submit("work", expires_in_ms=1)
    await stage.worker()
    row = await stage.finished(job)
    assert (row.status, row.attempt) == (Status.FAILED, 0)
    assert stage.node.frames(job)[-1]["error"]["code"] == "TIMEOUT"
