"""One run of an action in process: what it gives, what it told, and how it may end."""

import asyncio
import threading
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel

import streamer
from streamer import ActionError, Context, Retry, action
from streamer.errors import Forbidden, InvalidAction, InvalidPayload, ResultTooLarge, TimedOut
from streamer.handlers import AsyncRun
from streamer.jobs.model import Progress
from streamer.testing import Run, SubmittedJob, handling, run
from tests.support.until import PATIENT_S, until


class Order(BaseModel):
    parts: int


@streamer.lifespan
async def resources() -> AsyncIterator[dict[str, str]]:
    yield {"opened": "by the lifespan"}


@streamer.middleware
async def noting(ctx: Context, request: Any, call_next: AsyncRun) -> Any:
    result = await call_next(ctx, request)
    return {**result, "wrapped": True} if isinstance(result, dict) else result


@action("t.build", permission="build")
async def build(ctx: Context, request: Order) -> dict[str, Any]:
    done = 0 if ctx.checkpoint is None else ctx.checkpoint["parts"]
    for part in range(done, request.parts):
        await ctx.progress(100 * part / request.parts, "Building", part=part)
        await ctx.emit({"part": part})
        await ctx.save_checkpoint({"parts": part + 1})
    return {"user": ctx.user, "tenant": ctx.tenant, "attempt": ctx.attempt, "metadata": ctx.metadata}


@action("t.state")
async def state_of(ctx: Context) -> Any:
    return {"state": ctx.state}


@action("t.thread")
def in_thread(ctx: Context, request: Order) -> int:
    for part in range(request.parts):
        ctx.emit(part)
    ctx.submit("t.state", None, priority="high")
    return threading.get_ident()


@action("t.fail")
async def fail(ctx: Context, request: str) -> None:
    await ctx.emit("before")
    raise {
        "refused": ActionError("NO_PAPER", "No paper."),
        "retry": Retry(after=timedelta(seconds=3)),
        "broken": KeyError("x"),
        "cancelled": asyncio.CancelledError(),
        "exit": SystemExit(),
    }[request]


@action("t.parent")
async def parent(ctx: Context) -> str:
    child = await ctx.submit(
        "t.build", Order(parts=2), id="child", delay=1.5, expires_in=60, metadata={"by": "parent"}, durable=True
    )
    return child.request_id


@action("t.wrong")
async def wrong() -> Order:
    return {"parts": "many"}  # type: ignore[return-value]  # the broken promise is the test


@action("t.large")
async def large() -> str:
    return "x" * (1 << 20)


@action("t.endless")
async def endless(ctx: Context) -> None:
    await ctx.progress(1)
    await asyncio.Event().wait()


@action("t.stubborn")
async def stubborn(ctx: Context, release: Any) -> str:
    await ctx.emit("begun")
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        if release == "never":
            await asyncio.Event().wait()
    return "done all the same"


async def test_a_run_gives_its_result_and_all_that_it_told() -> None:
    done = await run(build, Order(parts=2), user="ann", tenant="acme", permissions=["build"], metadata={"a": 1})
    assert done == Run(
        result={"user": "ann", "tenant": "acme", "attempt": 1, "metadata": {"a": 1}, "wrapped": True},
        progress=[Progress(0, "Building", {"part": 0}), Progress(50, "Building", {"part": 1})],
        chunks=[{"part": 0}, {"part": 1}],
        checkpoints=[{"parts": 1}, {"parts": 2}],
    )


async def test_a_later_attempt_goes_on_at_its_checkpoint() -> None:
    done = await run("t.build", {"parts": 3}, permissions={"*"}, attempt=2, checkpoint={"parts": 2})
    assert done.chunks == [{"part": 2}]
    assert done.result["attempt"] == 2


async def test_the_lifespan_of_the_module_yields_the_state() -> None:
    assert (await run(state_of)).result["state"] == {"opened": "by the lifespan"}


async def test_a_given_state_stands_for_it() -> None:
    assert (await run(state_of, state="given")).result["state"] == "given"


async def test_modules_that_are_named_bring_what_they_declare() -> None:
    done = await run("echo", {"message": "hi"}, modules=[__name__])
    assert done.result["wrapped"]


async def test_a_def_handler_runs_in_a_thread_and_is_recorded() -> None:
    done = await run(in_thread, {"parts": 2})
    assert done.result != threading.get_ident()
    assert done.chunks == [0, 1]
    assert [(job.action, job.priority) for job in done.submitted] == [("t.state", "high")]


async def test_what_it_submits_is_checked_and_recorded() -> None:
    done = await run(parent)
    assert done.submitted == [
        SubmittedJob(
            id="child",
            action="t.build",
            payload={"parts": 2},
            metadata={"by": "parent"},
            priority="normal",
            delay_s=1.5,
            expires_in_s=60,
            durable=True,
            queue="default",
        )
    ]


@pytest.mark.parametrize(
    ("payload", "error"), [("refused", ActionError), ("retry", Retry), ("broken", KeyError)], ids=str
)
async def test_what_the_handler_raises_comes_out_as_itself(payload: str, error: type[Exception]) -> None:
    told = Run()
    with pytest.raises(error):
        await run(fail, payload, into=told)
    assert told.chunks == ["before"]


@pytest.mark.parametrize("payload", ["cancelled", "exit"])
async def test_a_handler_neither_cancels_nor_ends_the_test(payload: str) -> None:
    with pytest.raises(RuntimeError, match="the handler raised"):
        await run(fail, payload)


async def test_a_payload_that_the_model_refuses_never_runs() -> None:
    with pytest.raises(InvalidPayload) as refused:
        await run(build, {"parts": "many"}, permissions={"build"})
    assert refused.value.details is not None
    assert refused.value.details["errors"][0]["loc"] == ["parts"]


async def test_who_lacks_the_permission_is_refused() -> None:
    with pytest.raises(Forbidden, match=r"t\.build wants the permission build"):
        await run(build, {"parts": 1})


async def test_what_nobody_declared_is_no_action() -> None:
    with pytest.raises(InvalidAction, match=r"declares 't\.nonsense'"):
        await run("t.nonsense")


async def test_a_result_that_breaks_its_promise_is_an_error() -> None:
    with pytest.raises(TypeError, match="not what it is declared to return"):
        await run(wrong)


async def test_a_result_over_the_limit_is_too_large() -> None:
    with pytest.raises(ResultTooLarge):
        await run(large)


async def test_a_run_that_takes_too_long_is_stopped() -> None:
    told = Run()
    with pytest.raises(TimedOut):
        await run(endless, timeout_s=0.001, into=told)
    assert not told.cancelled


async def test_a_cancel_in_the_middle_ends_an_async_handler() -> None:
    stopped = await run(build, {"parts": 9}, permissions={"build"}, cancel_after=lambda told: len(told.chunks) == 3)
    assert stopped.cancelled
    assert stopped.result is None
    assert len(stopped.chunks) == 3
    assert len(stopped.checkpoints) == 2


async def test_a_cancel_wakes_a_handler_that_waits() -> None:
    stopped = await run(endless, cancel_after=lambda told: told.progress)
    assert stopped.cancelled


async def test_a_cancel_is_seen_by_a_thread_before_it_tells_more() -> None:
    stopped = await run(in_thread, {"parts": 9}, cancel_after=lambda told: len(told.chunks) == 3)
    assert stopped.cancelled
    assert stopped.chunks == [0, 1, 2]


async def test_a_handler_that_returns_all_the_same_has_won() -> None:
    done = await run(stubborn, "soon", cancel_after=lambda told: told.chunks)
    assert not done.cancelled
    assert done.result == "done all the same"


async def test_a_handler_that_does_not_stop_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handling, "STUBBORN_S", 0.001)
    with pytest.raises(TimeoutError, match=r"goes on 0\.001 s after it was asked to stop"):
        await run(stubborn, "never", cancel_after=lambda told: told.chunks)


async def test_a_test_that_goes_away_takes_the_handler_with_it() -> None:
    begun, told = asyncio.Event(), Run()
    task = asyncio.create_task(run(stubborn, "soon", cancel_after=lambda _: begun.set(), into=told))
    await asyncio.wait_for(begun.wait(), PATIENT_S)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(lambda: not [each for each in asyncio.all_tasks() if each.get_name() == "handler test"])
