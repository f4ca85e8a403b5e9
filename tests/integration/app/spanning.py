"""Actions whose handlers make spans and log lines of their own, wait or not, on the loop or in a thread."""

import asyncio
from typing import Any

from opentelemetry import trace

from streamer.actions import action
from streamer.context import Context


def _told(ctx: Context, name: str) -> None:
    with trace.get_tracer("acme").start_as_current_span(name):
        ctx.log.info("inside", metadata=ctx.metadata)


@action("spanning")
async def spanning(ctx: Context, request: dict[str, Any]) -> str:
    if request.get("wait"):
        await asyncio.sleep(0)
    _told(ctx, "own")
    return trace.format_span_id(trace.get_current_span().get_span_context().span_id)


@action("spanning_thread")
def spanning_thread(ctx: Context, _: dict[str, Any]) -> str:
    _told(ctx, "own in a thread")
    return "told"


@action("starting")
async def starting(ctx: Context, _: dict[str, Any]) -> str:
    return (await ctx.submit("queued", {}, id="child", metadata={"colour": "red"})).job_id
