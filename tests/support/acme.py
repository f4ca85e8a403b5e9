"""Actions of end-to-end tests: a user's module, loaded by STREAMER_ACTIONS."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from streamer import Context, Retry, action


class Steps(BaseModel):
    """What `steps` is asked for: so many steps of so many seconds."""

    steps: int = Field(10, ge=1)
    step_s: float = Field(0.0, ge=0)
    say: str = ""


@action("steps", mode="queued", retries=3)
async def steps(ctx: Context, request: Steps) -> dict[str, Any]:
    """Notes its start in the folder that ACME_RUNS names, walks, and says what it was given."""
    _note_start(ctx)
    for step in range(1, request.steps + 1):
        await asyncio.sleep(request.step_s)
        await ctx.progress(100 * step / request.steps, f"Step {step}")
    return {"say": request.say, "attempt": ctx.attempt}


class Stream(BaseModel):
    """What `stream` is asked for: so many chunks of so many characters, one every so many seconds."""

    chunks: int = Field(10, ge=0)
    chunk_s: float = Field(0.0, ge=0)
    size: int = Field(32, ge=0)
    checkpoint_every: int | None = Field(None, ge=1)


@action("stream", mode="queued", retries=3)
async def stream(ctx: Context, request: Stream) -> dict[str, Any]:
    """Emits `{"i": i, "text": text(i, size)}`; a later attempt goes on where the last checkpoint was."""
    _note_start(ctx)
    for number in range(ctx.checkpoint or 0, request.chunks):
        await asyncio.sleep(request.chunk_s)
        await ctx.emit({"i": number, "text": text(number, request.size)})
        if request.checkpoint_every is not None and (number + 1) % request.checkpoint_every == 0:
            await ctx.save_checkpoint(number + 1)
    return {"chunks": request.chunks, "attempt": ctx.attempt}


def text(number: int, size: int) -> str:
    """So many characters, which tell the numbers apart."""
    word = f"{number}."
    return (word * (size // len(word) + 1))[:size]


class Burst(BaseModel):
    """What `burst` is asked for: so many frames of progress, and so many chunks, evenly between each other."""

    progress: int = Field(100, ge=0)
    chunks: int = Field(100, ge=0)
    step_s: float = Field(0.0, ge=0)


@action("burst", mode="queued", retries=3)
async def burst(ctx: Context, request: Burst) -> dict[str, Any]:
    """Many small frames; the loop has its turn after each of them."""
    _note_start(ctx)
    told = emitted = 0
    while told < request.progress or emitted < request.chunks:
        if told * request.chunks <= emitted * request.progress and told < request.progress:
            told += 1
            await ctx.progress(100 * told / request.progress, f"Step {told}")
        else:
            await ctx.emit({"i": emitted})
            emitted += 1
        await asyncio.sleep(request.step_s)
    return {"progress": told, "chunks": emitted, "attempt": ctx.attempt}


class Flaky(BaseModel):
    """What `flaky` is asked for: to fail so often, and to run again so many seconds later."""

    failures: int = Field(1, ge=0)
    after_s: float = Field(0.0, ge=0)


@action("flaky", mode="queued", retries=3)
async def flaky(ctx: Context, request: Flaky) -> dict[str, Any]:
    """Asks for another attempt until it has had its failures."""
    _note_start(ctx)
    if ctx.attempt <= request.failures:
        raise Retry(after=timedelta(seconds=request.after_s))
    return {"attempt": ctx.attempt}


def _note_start(ctx: Context) -> None:
    runs = os.environ.get("ACME_RUNS")
    if runs is not None:
        (Path(runs) / f"{ctx.request_id}.{ctx.attempt}.{os.getpid()}").touch()
