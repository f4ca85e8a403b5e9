"""What is read from the store for all who ask at about the same time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

K = TypeVar("K")
T = TypeVar("T")

KEPT_S: Final = 1.0


class Shared(Generic[K, T]):
    """Reads the same at most once a second: whoever asks meanwhile, or while it is read, has the same answer."""

    def __init__(
        self, read: Callable[[K], Awaitable[T]], name: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`name`: of the task that reads."""
        self._read = read
        self._name = name
        self._clock = clock
        self._readings: dict[K, _Reading[T]] = {}  # the newest; outdated ones go when another is made

    async def of(self, key: K) -> T:
        """Raises what reading raises, for as long as an answer would have been kept."""
        now = self._clock()
        reading = self._readings.get(key)
        if reading is None or reading.is_outdated(now):
            self._readings = {name: each for name, each in self._readings.items() if not each.is_outdated(now)}
            task = asyncio.create_task(self._done(key), name=self._name)
            reading = self._readings[key] = _Reading(task, now + KEPT_S)
        return await asyncio.shield(reading.task)  # whoever goes away takes it from nobody else

    async def _done(self, key: K) -> T:
        return await self._read(key)


@dataclass(frozen=True, slots=True)
class _Reading(Generic[T]):
    task: asyncio.Task[T]
    until: float  # monotonic seconds

    def is_outdated(self, now: float) -> bool:
        return self.task.done() and now >= self.until
