"""How many jobs of a tenant may wait in a queue."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final

from app.tasks import Tasks
from streamer.errors import RateLimited, StoreUnavailable
from streamer.store.base import RequestQueue

COUNT_AGAIN_S: Final = 1.0
"""Counting reads what waits in the queue: at most so often for one tenant."""
FORGET_AFTER_S: Final = 600.0
MAX_REMEMBERED: Final = 10_000
"""Tenants and queues; the ones beyond that which were asked about the longest ago are counted anew."""

Key = tuple[str, str]
"""Queue and tenant."""


@dataclass(slots=True)
class Tally:
    """What this node knows of one tenant in one queue. Times are monotonic seconds."""

    used: float  # when it was asked about last
    waiting: int = 0  # by the newest count
    counted: float | None = None  # when that was begun; None: there was none
    admitted: int = 0  # here, and not certainly among those that were counted
    under_way: int = 0  # of these: the store has not answered yet
    counting: asyncio.Future[StoreUnavailable | None] | None = None  # while a count is under way; why it failed


class Quota:
    """Refuses submits of a tenant that has as many jobs waiting as it may.

    The newest count, and what was admitted here since then times the number of nodes, is how many there are at most
    where tenants are spread evenly over the nodes. While that is below the limit nothing is asked of the store. Then
    what waits is counted anew, once for all submits of the moment.

    `limit`: jobs that may wait, of one tenant in one queue; 0: any number, and nothing is counted. `nodes`: how many
    there are.
    """

    def __init__(
        self,
        requests: RequestQueue,
        tasks: Tasks,
        limit: int,
        nodes: Callable[[], int],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._requests = requests
        self._tasks = tasks
        self._limit = limit
        self._nodes = nodes
        self._clock = clock
        self._tallies: dict[Key, Tally] = {}  # in the order of their last use

    async def admit(self, queue: str, tenant: str) -> AbstractContextManager[None]:
        """Room for one more job, which is stored inside of what is returned. Raises RateLimited, StoreUnavailable."""
        if not self._limit:
            return contextlib.nullcontext()
        tally = self._tally((queue, tenant))
        if not self._has_room(tally):
            await self._count(tally, queue, tenant)
        if not self._has_room(tally):
            message = f"At most {self._limit} jobs of a tenant may wait in the queue {queue}."
            raise RateLimited(message, after_ms=int(COUNT_AGAIN_S * 1000))
        tally.admitted += 1
        tally.under_way += 1
        return _stored(tally)

    def _has_room(self, tally: Tally) -> bool:
        nodes = max(1, self._nodes())
        return tally.counted is not None and tally.waiting + tally.admitted * nodes < self._limit

    # --- counting -------------------------------------------------------------------------------------------

    async def _count(self, tally: Tally, queue: str, tenant: str) -> None:
        """Counts, or waits for who does; does nothing where the last count has just said that it is full."""
        if tally.counting is None:
            wait_s = self._too_soon_s(tally)
            if wait_s > 0 and tally.waiting + tally.admitted >= self._limit:
                return
            tally.counting = asyncio.get_running_loop().create_future()
            self._tasks.start(self._counted(tally, queue, tenant, wait_s), f"quota of {tenant}")
        error = await asyncio.shield(tally.counting)
        if error is not None:
            raise StoreUnavailable from error

    def _too_soon_s(self, tally: Tally) -> float:
        return 0.0 if tally.counted is None else tally.counted + COUNT_AGAIN_S - self._clock()

    async def _counted(self, tally: Tally, queue: str, tenant: str, wait_s: float) -> None:
        error: StoreUnavailable | None = StoreUnavailable()  # where this is stopped
        try:
            await asyncio.sleep(wait_s)
            await self._look(tally, queue, tenant)
            error = None
        except StoreUnavailable as failed:
            error = failed
        finally:
            counting, tally.counting = tally.counting, None
            if counting is not None:
                counting.set_result(error)

    async def _look(self, tally: Tally, queue: str, tenant: str) -> None:
        began = self._clock()
        stored = tally.admitted - tally.under_way  # what the store has by now will be among those that it counts
        tally.waiting = await self._requests.count_waiting(queue, tenant, self._limit)
        tally.counted = began
        tally.admitted -= stored

    # --- remembering ----------------------------------------------------------------------------------------

    def _tally(self, key: Key) -> Tally:
        now = self._clock()
        tally = self._tallies.pop(key, None)
        if tally is None:
            tally = Tally(now)
        tally.used = now
        self._tallies[key] = tally
        self._forget(now - FORGET_AFTER_S)
        return tally

    def _forget(self, before: float) -> None:
        """What was not used since then, and what is too many."""
        while True:
            oldest = next(iter(self._tallies))
            if self._tallies[oldest].used >= before and len(self._tallies) <= MAX_REMEMBERED:
                return
            del self._tallies[oldest]


@contextlib.contextmanager
def _stored(tally: Tally) -> Iterator[None]:
    try:
        yield
    finally:
        tally.under_way -= 1
