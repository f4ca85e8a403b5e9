"""So many things a second, and no more."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

RATE: Final = 500
"""Where nobody asks for another one: 10,000 connections in 20 s."""
BURSTS: Final = 20
"""The twentieth part of a second's worth may come at once: timers are coarser than the turns of a high rate."""


class Pace:
    """Gives at most `rate` turns within any second. Any number of callers may wait for one.

    `clock` is monotonic, in seconds: that of the loop.
    """

    def __init__(
        self,
        rate: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Raises ValueError where `rate` is below 1."""
        if rate < 1:
            raise ValueError(f"a rate is at least 1 a second, not {rate}")
        at_once = rate // BURSTS
        self._interval_s = 1 / (rate - at_once)
        self._slack_s = at_once * self._interval_s
        self._clock = clock
        self._sleep = sleep
        self._full = clock()  # when all that may come at once could come again

    async def turn(self) -> None:
        """Returns when it is the caller's turn."""
        while (wait_s := self._full - self._slack_s - self._clock()) > 0:
            await self._sleep(wait_s)
        self._full = max(self._full, self._clock()) + self._interval_s
