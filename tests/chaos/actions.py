"""The action that a chaos run needs beside those of end-to-end tests; loaded by STREAMER_ACTIONS."""

import os
from typing import Any, Final

from pydantic import BaseModel, Field

from streamer import Context, action

QUIT: Final = 77
"""The exit code of a worker whose handler ended it."""


class Quit(BaseModel):
    """What `quit` is asked for: how many of its attempts take their worker with them."""

    attempts: int = Field(1, ge=0)


@action("quit", mode="queued", retries=3)
async def quit_worker(ctx: Context, request: Quit) -> dict[str, Any]:
    """Ends the process that runs it, as a fault in a C library would; a later attempt says which one it is."""
    if ctx.attempt <= request.attempts:
        os._exit(QUIT)
    return {"attempt": ctx.attempt}
