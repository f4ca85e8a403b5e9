"""Jobs that have been silent: their rows are read again, so that a lost frame delays an outcome and no more."""

import asyncio
import contextlib
import heapq
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Final

import structlog

from app import outcome
from app.connection import Connection
from app.filling import Fillings
from app.hub import Hub
from app.tracker import Tracker
from streamer.errors import StoreUnavailable
from streamer.jobs.model import WAITING, Job
from streamer.store.base import RequestQueue

log = structlog.get_logger()

FIRST_S: Final = 15.0
LONGEST_S: Final = 300.0
MAX_BATCH: Final = 100


@dataclass(slots=True, eq=False)
class Watch:
    """One tracker of one connection that is still there."""

    connection: Connection
    tracker: Tracker
    silence_s: float  # read its row after so long without a frame


class Rereads:
    """Looks after every job that a connection waits for: after 15 s of silence its row is read, then after twice
    that, and so on up to 5 min (each with jitter); any frame starts that anew. A job that is known to start
    later is not read before.
    """

    def __init__(
        self,
        hub: Hub,
        requests: RequestQueue,
        fillings: Fillings,
        *,
        first_s: float = FIRST_S,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._hub = hub
        self._requests = requests
        self._fillings = fillings
        self._first_s = first_s
        self._clock = clock
        self._wall = wall
        self._due: list[tuple[float, int, Watch]] = []  # a heap, by monotonic time
        self._order = count()
        self._sooner = asyncio.Event()  # something is due before what `run` waits for

    def watch(self, connection: Connection, tracker: Tracker) -> None:
        """Looks after a tracker from now on, until its outcome was sent or its connection is gone."""
        if not tracker.is_wanted or tracker.is_watched:
            return
        tracker.is_watched = True
        tracker.heard = self._clock()
        self._again(Watch(connection, tracker, self._first_s), self._first_s)

    async def run(self) -> None:
        """Reads what is due, for ever."""
        while True:
            await self._until_due()
            await self.read_due()

    async def read_due(self) -> None:
        """One round: at most 100 rows."""
        due = self._take_due(self._clock())
        if not due:
            return
        try:
            rows = await self._requests.get_many({watch.tracker.job_id for watch in due})
        except StoreUnavailable as error:
            self._later(due, error)
            return
        for watch in due:
            try:
                await self._tell(watch, rows)
            except StoreUnavailable as error:
                self._later([watch], error)

    async def _until_due(self) -> None:
        self._sooner.clear()
        wait_s = max(0.0, self._due[0][0] - self._clock()) if self._due else None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._sooner.wait()

    def _later(self, watches: Sequence[Watch], error: StoreUnavailable) -> None:
        log.info("reread_failed", jobs=len(watches), reason=str(error))
        for watch in watches:
            self._again(watch, _jittered(self._first_s))

    def _take_due(self, now: float) -> Sequence[Watch]:
        due: list[Watch] = []
        while self._due and self._due[0][0] <= now and len(due) < MAX_BATCH:
            watch = heapq.heappop(self._due)[2]
            if not self._is_needed(watch):
                continue
            silent_until = watch.tracker.heard + watch.silence_s
            if silent_until > now:  # it was heard of meanwhile
                watch.silence_s = self._first_s
                self._again(watch, max(watch.tracker.heard + self._first_s - now, 0.0))
            else:
                due.append(watch)
        return due

    def _is_needed(self, watch: Watch) -> bool:
        connection = watch.connection
        is_there = self._hub.get(connection.connection_id) is connection
        return is_there and connection.trackers.get(watch.tracker.job_id) is watch.tracker

    def _again(self, watch: Watch, after_s: float) -> None:
        heapq.heappush(self._due, (self._clock() + after_s, next(self._order), watch))
        if self._due[0][2] is watch:
            self._sooner.set()

    async def _tell(self, watch: Watch, rows: Mapping[str, Job]) -> None:
        now = self._wall()
        connection, tracker = watch.connection, watch.tracker
        job = rows.get(tracker.job_id)
        if job is None:
            connection.deliver(tracker, outcome.expired(tracker.job_id, tracker.request_id, now), now)
        elif tracker.chunks and not tracker.is_served:  # it has output, of which the newest may have been dropped
            self._fillings.start(connection, tracker, job)
        elif (frame := await outcome.newest(job, self._requests, now)) is not None and self._is_needed(watch):
            connection.deliver(tracker, frame, now)
        if job is not None and not job.finished:
            watch.silence_s = min(LONGEST_S, 2 * watch.silence_s)
            self._again(watch, _jittered(watch.silence_s) + _sleeps_s(job, now))


def _sleeps_s(job: Job, now: float) -> float:
    """For how long nothing can happen to it: a delay, or the time to its next attempt."""
    if job.status not in WAITING or job.due_ms is None:
        return 0.0
    return max(0.0, job.due_ms / 1000 - now)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(1.0, 1.25)  # noqa: S311  # spreads load, guards nothing
