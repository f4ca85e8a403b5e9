"""Actions of end-to-end tests: a user's module, loaded by STREAMER_ACTIONS."""

import asyncio
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field

from streamer import Context, action


class Steps(BaseModel):
    """What `steps` is asked for: so many steps of so many seconds."""

    steps: int = Field(10, ge=1)
    step_s: float = Field(0.0, ge=0)
    say: str = ""


@action("steps", mode="queued", retries=3)
async def steps(ctx: Context, request: Steps) -> dict[str, Any]:
    """Notes its start in the folder that ACME_RUNS names, walks, and says what it was given."""
    runs = os.environ.get("ACME_RUNS")
    if runs is not None:
        (Path(runs) / f"{ctx.request_id}.{ctx.attempt}.{os.getpid()}").touch()
    for step in range(1, request.steps + 1):
        await asyncio.sleep(request.step_s)
        await ctx.progress(100 * step / request.steps, f"Step {step}")
    return {"say": request.say, "attempt": ctx.attempt}
