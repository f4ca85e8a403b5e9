"""Seconds that pass only while somebody sleeps."""

import asyncio
from bisect import bisect_left
from collections.abc import Sequence

ROUNDING_S = 1e-6


class Stopwatch:
    """A clock, and a `sleep` that moves it on; each sleep lasts `late_s` longer than asked for."""

    def __init__(self, *, late_s: float = 0.0) -> None:
        self.now = 1_000.0
        self._late_s = late_s

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        end = self.now + seconds + self._late_s
        await asyncio.sleep(0)  # others have their turn
        self.now = max(self.now, end)


def most_within_a_second(times: Sequence[float]) -> int:
    """Of ascending times."""
    return max(bisect_left(times, time + 1.0 - ROUNDING_S) - index for index, time in enumerate(times))
