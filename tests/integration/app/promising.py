"""Actions that are queued where they take longer than they promised."""

from streamer.actions import action
from streamer.context import Context
from tests.integration.app.actions import Gate, gates, runs


@action("promising", promote=True, threshold=0.05)
async def promising(ctx: Context, request: Gate) -> str:
    runs[request.gate] += 1
    await ctx.progress(40, "begun")
    await gates[request.gate].wait()
    return "answered"


@action("parting", promote=True, threshold=0.05)
async def parting(_: Context, request: Gate) -> str:
    """Takes its time to end when it is stopped."""
    try:
        await gates["never"].wait()
    finally:
        runs[request.gate] += 1
        await gates[request.gate].wait()
    return "never"
