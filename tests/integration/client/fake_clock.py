"""Time and chance in the hands of a test."""

import asyncio

from streamer.client.clock import Clock
from tests.support.until import until


class FakeClock(Clock):
    """Time passes only by `after`. Chance falls at `share` of every window, and `windows` tells which were asked."""

    def __init__(self, share: float = 0.5) -> None:
        self.time = 1_000.0
        self.share = share
        self.windows: list[tuple[float, float]] = []
        self._sleepers: list[tuple[float, asyncio.Future[None]]] = []  # when each is to wake

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        sleeper = self.time + seconds, asyncio.get_running_loop().create_future()
        self._sleepers.append(sleeper)
        if seconds <= 0:
            self._wake()
        try:
            await sleeper[1]
        finally:
            self._sleepers.remove(sleeper)

    def between(self, low: float, high: float) -> float:
        self.windows.append((low, high))
        return low + self.share * (high - low)

    async def after(self, seconds: float) -> None:
        """Waits until somebody sleeps for exactly so long from now on, and lets that time pass."""
        await until(lambda: self.is_slept(seconds), what=f"somebody sleeps for {seconds} s, not {self.sleeping}")
        self.time += seconds
        self._wake()

    def is_slept(self, seconds: float) -> bool:
        return any(abs(each - seconds) < 1e-6 for each in self.sleeping)

    @property
    def sleeping(self) -> list[float]:
        """For how much longer each sleeper sleeps."""
        return [at - self.time for at, _ in self._sleepers]

    def _wake(self) -> None:
        for at, future in self._sleepers:
            if at <= self.time + 1e-6 and not future.done():
                future.set_result(None)
