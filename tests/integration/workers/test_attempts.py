"""What becomes of a job, from the row to the frames that a node receives."""

import asyncio
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from streamer.context import Context
from streamer.errors import ActionError, Retry
from streamer.jobs.model import Status
from tests.integration.workers.stage import Stage
from tests.support.until import until


class Numbers(BaseModel):
    count: int


async def test_a_job_is_run_and_its_outcome_delivered(stage: Stage) -> None:
    async def work(ctx: Context, request: Numbers) -> dict[str, Any]:
        return {"double": 2 * request.count, "by": ctx.user, "attempt": ctx.attempt, "job": ctx.job_id}

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work", {"count": 21})
    row = await stage.finished(job)
    assert row.status is Status.COMPLETED
    (frame,) = stage.node.frames(job)
    assert frame["result"] == {"double": 42, "by": "ann", "attempt": 1, "job": job.job_id}
    assert (frame["request_id"], frame["job_id"], frame["attempt"], frame["seq"]) == ("r1", job.job_id, 1, 2)
    (delivered,) = stage.node.delivered
    assert delivered.meta["c"] == sorted(job.routes)
    assert (delivered.meta["t"], delivered.meta["u"], delivered.meta["k"]) == ("acme", "ann", "outcome")
    assert stage.counted("attempts_total", action="work", outcome="complete") == 1


async def test_progress_is_numbered_sent_and_kept(stage: Stage) -> None:
    go = asyncio.Event()

    async def work(ctx: Context) -> None:
        await ctx.progress(10, "one", rows=1)
        await ctx.progress(20, "two")
        await go.wait()
        await ctx.progress(90)

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work")
    await until(lambda: len(stage.node.frames(job)) == 2)
    first, second = stage.node.frames(job)
    assert (first["percentage"], first["message"], first["metadata"], first["seq"]) == (10, "one", {"rows": 1}, 1)
    assert (second["percentage"], second["seq"]) == (20, 2)
    assert stage.node.delivered[0].meta["p"] == 10

    async def kept() -> bool:
        row = await stage.row(job)
        return row.progress is not None and row.progress.percentage == 20 and row.seq == 2

    await until(kept)
    go.set()
    row = await stage.finished(job)
    seqs = [frame["seq"] for frame in stage.node.frames(job)]
    assert seqs == sorted(set(seqs))
    assert row.seq == seqs[-1]


async def test_progress_from_a_thread(stage: Stage) -> None:
    def work(ctx: Context) -> str:
        ctx.progress(50, "half")
        return "done"

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work")
    await stage.finished(job)
    assert stage.node.types(job)[-1] == "complete"


async def test_a_failed_attempt_is_retried_until_it_succeeds(stage: Stage) -> None:
    async def work(ctx: Context) -> int:
        if ctx.attempt < 3:
            raise RuntimeError("not yet")
        return ctx.attempt

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work", max_retries=2)
    row = await stage.finished(job)
    assert (row.status, row.attempt, row.retry_count) == (Status.COMPLETED, 3, 2)
    assert stage.node.types(job) == ["retrying", "retrying", "complete"]
    first = stage.node.frames(job)[0]
    assert (first["attempt"], first["seq"], first["error"]["code"]) == (1, 1, "PROCESSING_FAILED")


async def test_retries_run_out_and_nothing_internal_is_told(stage: Stage) -> None:
    async def work() -> None:
        raise RuntimeError("the password is secret")

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work", max_retries=1)
    row = await stage.finished(job)
    assert (row.status, row.attempt) == (Status.FAILED, 2)
    error = stage.node.frames(job)[-1]["error"]
    assert error["code"] == "PROCESSING_FAILED"
    assert set(error["details"]) == {"error_id"}
    assert "secret" not in str(stage.node.frames(job))
    assert stage.counted("attempts_total", action="work", outcome="fail") == 1


async def test_an_action_error_is_final_whatever_retries_are_left(stage: Stage) -> None:
    async def work() -> None:
        raise ActionError("NO_ROWS", "There is nothing.", details={"table": "t"}, retryable=True)

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work", max_retries=3)
    row = await stage.finished(job)
    assert (row.status, row.attempt) == (Status.FAILED, 1)
    (frame,) = stage.node.frames(job)
    assert frame["error"]["code"] == "NO_ROWS"
    assert frame["error"]["details"] == {"table": "t"}
    assert frame["error"]["retry"]["retryable"] is True
    assert frame["final"] is True


async def test_a_handler_may_ask_for_another_attempt(stage: Stage) -> None:
    async def work(ctx: Context) -> str:
        if ctx.attempt == 1:
            raise Retry(timedelta(milliseconds=20))
        return "second"

    stage.action("work", work)
    job = await stage.submit("work", max_retries=1)
    await stage.worker(sweep_s=120)  # its own timer starts the second attempt
    row = await stage.finished(job)
    assert (row.status, row.result) == (Status.COMPLETED, b'"second"')


async def test_an_attempt_that_takes_too_long_has_failed(stage: Stage) -> None:
    stopped = asyncio.Event()

    async def work(ctx: Context) -> None:
        assert ctx.deadline is not None
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    stage.action("work", work, timeout=0.05)
    await stage.worker()
    job = await stage.submit("work")
    row = await stage.finished(job)
    assert row.status is Status.FAILED
    assert stage.node.frames(job)[-1]["error"]["code"] == "TIMEOUT"
    assert stopped.is_set()


async def test_a_result_that_is_too_large_is_an_error(stage: Stage) -> None:
    async def work() -> str:
        return "x" * (1 << 20)

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work", max_retries=3)
    row = await stage.finished(job)
    assert (row.status, row.attempt) == (Status.FAILED, 1)
    assert stage.node.frames(job)[-1]["error"]["code"] == "RESULT_TOO_LARGE"


async def test_a_large_result_is_delivered_whole(stage: Stage) -> None:
    async def work() -> str:
        return "x" * 700_000

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work")
    await stage.finished(job)
    assert stage.node.frames(job)[-1]["result"] == "x" * 700_000


async def test_a_result_that_is_no_json_is_not_tried_again(stage: Stage) -> None:
    async def work() -> Any:
        return object()

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work", max_retries=3)
    row = await stage.finished(job)
    assert (row.status, row.attempt) == (Status.FAILED, 1)
    assert stage.node.frames(job)[-1]["error"]["code"] == "PROCESSING_FAILED"


async def test_a_payload_that_the_model_no_longer_takes(stage: Stage) -> None:
    async def work(_: Context, request: Numbers) -> int:
        return request.count

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work", {"count": "many"}, max_retries=3)
    row = await stage.finished(job)
    assert (row.status, row.attempt) == (Status.FAILED, 1)
    error = stage.node.frames(job)[-1]["error"]
    assert error["code"] == "VALIDATION_ERROR"
    assert error["details"]["errors"][0]["loc"] == ["count"]


async def test_a_check_that_breaks_is_a_failed_attempt(stage: Stage) -> None:
    def check(_: Any) -> bool:
        raise RuntimeError("broken")

    async def work() -> None: ...

    stage.action("work", work, check=check)
    await stage.worker()
    job = await stage.submit("work")
    await stage.finished(job)
    assert stage.node.frames(job)[-1]["error"]["code"] == "PROCESSING_FAILED"


async def test_a_handler_that_exits_does_not_end_the_worker(stage: Stage) -> None:
    async def work(ctx: Context) -> str:
        if ctx.attempt == 1:
            raise SystemExit(3)
        return "alive"

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work", max_retries=1)
    row = await stage.finished(job)
    assert row.result == b'"alive"'


async def test_a_handler_that_cancels_itself_has_failed(stage: Stage) -> None:
    async def work() -> None:
        raise asyncio.CancelledError

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work")
    row = await stage.finished(job)
    assert row.status is Status.FAILED


async def test_more_plain_functions_than_threads_wait_for_one(stage: Stage) -> None:
    def work(ctx: Context) -> int:
        return ctx.attempt

    stage.action("work", work)
    await stage.worker(threads=1)
    jobs = [await stage.submit("work", client_id=f"r{number}") for number in range(5)]
    rows = [await stage.finished(job) for job in jobs]
    assert [(row.status, row.attempt) for row in rows] == [(Status.COMPLETED, 1)] * 5


async def test_an_action_that_this_worker_does_not_have_is_left_to_others(stage: Stage) -> None:
    async def work() -> str:
        return "mine"

    stage.action("work", work)
    await stage.worker()
    other = await stage.submit("unknown", client_id="r0")
    mine = await stage.submit("work")
    await stage.finished(mine)
    assert (await stage.row(other)).status is Status.PENDING


async def test_a_job_that_waited_too_long_is_failed_and_its_client_told(stage: Stage) -> None:
    async def work() -> None: ...

    stage.action("work", work)
    job = await stage.submit("work", start_within_ms=0)
    await stage.worker()
    row = await stage.finished(job)
    assert row.status is Status.FAILED
    assert stage.node.frames(job)[-1]["error"]["code"] == "TIMEOUT"


async def test_slots_are_filled_again_without_waiting_for_a_sweep(stage: Stage) -> None:
    async def work() -> None: ...

    stage.action("work", work)
    jobs = [await stage.submit("work", client_id=f"r{number}") for number in range(30)]
    await stage.worker(sweep_s=120, worker_slots=2)
    for job in jobs:
        await stage.finished(job)
    delays = [stage.counted("start_delay_seconds_count", wakeup=wakeup) for wakeup in ("sweep", "slot")]
    assert delays == [2, 28]
