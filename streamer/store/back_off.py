"""How long to wait before asking a store again that did not answer."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from streamer.errors import StoreUnavailable

T = TypeVar("T")

FIRST_S: Final = 0.1
MAX_S: Final = 2.0


class BackOff:
    """0.1 s, then twice as long each time up to 2 s, each shortened by up to a half at random."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    async def pause(self) -> None:
        pause_s, self._next_s = self._next_s, min(2 * self._next_s, MAX_S)
        await asyncio.sleep(pause_s * random.uniform(0.5, 1.0))  # noqa: S311  # spreads load, guards nothing


async def persistently(call: Callable[[], Awaitable[T]]) -> T:
    """Calls until the store answers. What it raises by then is raised here."""
    back_off = BackOff()
    while True:
        try:
            return await call()
        except StoreUnavailable:
            await back_off.pause()
