"""Actions for the tests of a node: each does one thing that a handler may do."""

import asyncio
import contextvars
import time
from collections import defaultdict
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from streamer.actions import action
from streamer.context import Context
from streamer.errors import ActionError, Retry

gates: dict[str, asyncio.Event] = defaultdict(asyncio.Event)
"""By name: what `wait` waits for."""
runs: dict[str, int] = defaultdict(int)
"""By name: how many runs of `wait` have begun."""
left_behind: contextvars.ContextVar[str] = contextvars.ContextVar("left_behind", default="")


class Gate(BaseModel):
    gate: str


@action("wait")
async def wait(_: Context, request: Gate) -> dict[str, str]:
    left_behind.set(request.gate)
    runs[request.gate] += 1
    await gates[request.gate].wait()
    return {"gate": left_behind.get()}


@action("wait_long", timeout=0.2)
async def wait_long(_: Context, request: Gate) -> None:
    await gates[request.gate].wait()


@action("stubborn", timeout=0.1)
async def stubborn(_: Context, request: Gate) -> str:
    """Does not let itself be stopped."""
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        await gates[request.gate].wait()
    return "done all the same"


@action("own_timeout")
async def own_timeout(_: Context) -> str:
    """Its time-out holds on to the task of its first step."""
    try:
        async with asyncio.timeout(0.01):
            await asyncio.Event().wait()
    except TimeoutError:
        return "timed out"
    return "never"


@action("same_task")
async def same_task(_: Context) -> bool:
    before = asyncio.current_task()
    await asyncio.sleep(0)
    return asyncio.current_task() is before


@action("context_variable")
async def context_variable(_: Context) -> str:
    found = left_behind.get()
    left_behind.set("by a handler that never waits")
    return found


@action("crash")
async def crash(_: Context, request: dict[str, Any]) -> None:
    if request.get("wait"):
        await asyncio.sleep(0)
    raise RuntimeError("the password is hunter2")


@action("refuse")
async def refuse(_: Context) -> None:
    raise ActionError("OUT_OF_STOCK", "There is none left.", details={"item": 7})


@action("refuse_badly")
async def refuse_badly(_: Context) -> None:
    raise ActionError("OUT_OF_STOCK", "There is none left.", details={"item": object()})


@action("again")
async def again(_: Context) -> None:
    raise Retry(after=timedelta(seconds=2), reason="not yet")


@action("cancel_itself")
async def cancel_itself(_: Context, request: dict[str, Any]) -> None:
    if request.get("wait"):
        await asyncio.sleep(0)
    raise asyncio.CancelledError


@action("no_json")
async def no_json(_: Context) -> Any:
    return object()


class Number(BaseModel):
    number: int


@action("typed")
async def typed(_: Context, request: Number) -> Number:
    return Number(number=request.number + 1)


@action("in_thread")
def in_thread(ctx: Context, __: Gate) -> str:
    ctx.progress(50, "half")
    ctx.progress(75, "more")
    return "from a thread"


@action("tell")
async def tell(ctx: Context, request: Gate) -> str:
    for step in range(5):
        await ctx.progress(step * 10, f"step {step}")
    await gates[request.gate].wait()
    await ctx.progress(90, "nearly")
    return "told"


class Pieces(BaseModel):
    count: int
    size: int = 1
    gate: str | None = None


@action("emit")
async def emit(ctx: Context, request: Pieces) -> str:
    """Output first, then what the gate is for, then one piece more."""
    for number in range(request.count):
        await ctx.emit({"n": number, "text": "x" * request.size})
    if request.gate is not None:
        runs[request.gate] += 1
        await gates[request.gate].wait()
        await ctx.emit("last")
    return "emitted"


@action("emit_in_thread")
def emit_in_thread(ctx: Context, request: Pieces) -> str:
    for number in range(request.count):
        ctx.emit(number)
    ctx.save_checkpoint({"kept": "nowhere"})
    return f"checkpoint {ctx.checkpoint}"


@action("emit_though_stopped", timeout=0.1)
async def emit_though_stopped(ctx: Context, request: Gate) -> str:
    try:
        await gates[request.gate].wait()
    except asyncio.CancelledError:
        await ctx.emit("one more")
    return "never"


@action("secret", permission="secrets:read")
async def secret(_: Context) -> str:
    return "42"


@action("slow_by_size", estimate=lambda request: request["seconds"], retries=7)
async def slow_by_size(_: Context, __: dict[str, Any]) -> str:
    return "quick"


@action("big")
async def big(_: Context, request: dict[str, Any]) -> str:
    return "x" * int(request["size"])


@action("queued", mode="queued")
async def queued(_: Context, __: dict[str, Any]) -> str:
    return "run by a worker"


@action("who")
async def who(ctx: Context) -> dict[str, Any]:
    return {
        "user": ctx.user,
        "tenant": ctx.tenant,
        "request_id": ctx.request_id,
        "metadata": ctx.metadata,
        "has_deadline": ctx.deadline is not None and ctx.deadline > time.time(),
    }
