"""Actions that misbehave, beside those of `tests.support.acme`: loaded by STREAMER_ACTIONS."""

import time
from typing import Any

from pydantic import BaseModel, Field

from streamer import Context, action


class Block(BaseModel):
    """What `block` is asked for: to hold the loop for so long in its first attempt."""

    seconds: float = Field(ge=0)


@action("block", mode="queued", retries=3)
async def block(ctx: Context, request: Block) -> dict[str, Any]:
    """An `async def` that never lets go: nothing else in its process has a turn, the beat neither."""
    if ctx.attempt == 1:
        time.sleep(request.seconds)  # noqa: ASYNC251  # the fault that is asked for
    return {"attempt": ctx.attempt}


@action("broken", mode="queued", retries=2)
async def broken(ctx: Context) -> None:
    """Fails every time."""
    raise RuntimeError(f"attempt {ctx.attempt}")


class Fill(BaseModel):
    """What `fill` is asked for: a result of so many bytes as JSON. `pad` makes the payload as big as is wanted."""

    size: int = Field(ge=2)
    pad: str = ""


@action("fill", mode="queued", retries=3)
async def fill(_: Context, request: Fill) -> str:
    """A result of exactly that size."""
    return "x" * (request.size - len('""'))
