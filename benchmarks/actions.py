"""The actions that benchmarks call."""

import asyncio
import time
from typing import Any

from pydantic import BaseModel

import streamer


class Message(BaseModel):
    message: str


@streamer.action("benchmark_echo")
async def benchmark_echo(ctx: streamer.Context, request: Message) -> dict[str, Any]:
    """What the demo's `echo` answers, with a payload that a model has checked."""
    return {"echo": {"message": request.message}, "action": ctx.action, "received_at": time.time()}


@streamer.action("benchmark_clock", mode="queued")
async def benchmark_clock(ctx: streamer.Context, request: dict[str, Any]) -> float:  # noqa: ARG001  # the shape of a handler
    """The moment of its first line."""
    return time.time()


@streamer.action("benchmark_sleep", mode="queued", retries=3)
async def benchmark_sleep() -> None:
    """Runs for as long as anybody looks."""
    await asyncio.sleep(600)
