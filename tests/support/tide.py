"""Work that comes and goes like a tide, for pictures of what operators see."""

import asyncio
import contextlib
import math
import random
from collections.abc import AsyncIterator
from typing import Final

from streamer.client import Session, connect
from tests.support.wire import token

STEP_S: Final = 5.0
WAVE_S: Final = 330.0
MOST_JOBS: Final = 6  # of a step
MOST_SESSIONS: Final = 6


@contextlib.asynccontextmanager
async def tide(url: str) -> AsyncIterator[None]:
    """Jobs of acme and of globex, and sessions, come and go for as long as this lasts."""
    rising = asyncio.create_task(_rise_and_fall(url), name="tide")
    try:
        yield
    finally:
        rising.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await rising


async def _rise_and_fall(url: str) -> None:
    chance = random.Random(7)
    async with contextlib.AsyncExitStack() as stack:
        tenants = [await stack.enter_async_context(connect(url, token(tenant=name))) for name in ("acme", "globex")]
        visits: list[contextlib.AsyncExitStack] = []
        stack.push_async_callback(_leave, visits, 0)
        step = 0
        while True:
            height = max(0.0, math.sin(2 * math.pi * step * STEP_S / WAVE_S))
            for _ in range(round(MOST_JOBS * height * chance.uniform(0.6, 1.0))):
                _submit(chance.choice(tenants), chance)
            await _visit(url, visits, round(MOST_SESSIONS * height))
            step += 1
            await asyncio.sleep(STEP_S)


def _submit(session: Session, chance: random.Random) -> None:
    month = {"start_date": "2024-01-01", "end_date": "2024-01-31", "format": "pdf"}
    session.submit("generate_report", month | {"duration_s": round(chance.uniform(5, 15), 1)})


async def _visit(url: str, visits: list[contextlib.AsyncExitStack], wanted: int) -> None:
    """So many sessions are open then."""
    while len(visits) < wanted:
        visits.append(contextlib.AsyncExitStack())
        await visits[-1].enter_async_context(connect(url, token()))
    await _leave(visits, wanted)


async def _leave(visits: list[contextlib.AsyncExitStack], wanted: int) -> None:
    while len(visits) > wanted:
        await visits.pop().aclose()
