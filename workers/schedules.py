"""Schedules: every worker starts the job of every tick, and the id of that job lets only one of them do it."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from streamer.errors import DuplicateRequest, StoreUnavailable
from streamer.jobs import ids
from streamer.schedules import Schedule
from streamer.store.back_off import BackOff
from streamer.store.base import RequestQueue, now_ms
from streamer.submitter import Submitter

log = structlog.get_logger()

MAX_AGE_S: Final = 86_400.0
"""An older tick is not made up for."""
LATE: Final = timedelta(seconds=60)
"""Whoever is up meets each tick sooner than that."""
JITTER_S: Final = 1.0
"""After a tick: so most workers find that another one was faster, which costs a read instead of a refused write."""
NAP_S: Final = 30.0
"""The longest sleep: a wall clock may be set, a machine be suspended."""


class Schedules:
    """Follows the schedules until it is cancelled. `max_age_s`: how old a missed tick may be that is made up for; no
    more than rows of finished jobs are kept, or it would run twice. `clock` gives Unix milliseconds; while it is not
    right, as `is_right` tells, nothing is started.
    """

    def __init__(
        self,
        schedules: Collection[Schedule],
        submitter: Submitter,
        requests: RequestQueue,
        *,
        max_age_s: float = MAX_AGE_S,
        is_right: Callable[[], bool] = lambda: True,
        clock: Callable[[], int] = now_ms,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._schedules = schedules
        self._submitter = submitter
        self._requests = requests
        self._max_age = timedelta(seconds=min(max_age_s, MAX_AGE_S))
        self._is_right = is_right
        self._clock = clock
        self._sleep = sleep
        self._chance = chance

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for schedule in self._schedules:
                group.create_task(self._follow(schedule), name=f"schedule {schedule.name}")

    async def _follow(self, schedule: Schedule) -> None:
        """Of the ticks since the last look only the newest counts. `settled` follows the clock, back too: what is
        found again is in the store."""
        settled = self._now()
        if schedule.missed == "last":
            settled -= self._max_age
        while True:
            if not self._is_right():
                await self._sleep(NAP_S)
                continue
            now = self._now()
            tick = schedule.newest(max(settled, now - self._reach(schedule)), now)
            if tick is not None:
                await self._start(schedule, tick)
            settled = now
            await self._sleep(self._until(schedule.following(settled)))

    def _reach(self, schedule: Schedule) -> timedelta:
        return self._max_age if schedule.missed == "last" else LATE

    def _until(self, tick: datetime) -> float:
        left_s = (tick - self._now()).total_seconds()
        return NAP_S if left_s > NAP_S else max(0.0, left_s) + self._chance() * JITTER_S

    async def _start(self, schedule: Schedule, tick: datetime) -> None:
        """Tries until the next tick, should the store be away. A fault is logged: the other schedules go on, and this
        one with its next tick."""
        about = {"schedule": schedule.name, "tick": tick.isoformat()}
        back_off, until = BackOff(), schedule.following(tick)
        while True:
            try:
                if await self._is_first(schedule, tick):
                    log.info("schedule_started", **about)
            except StoreUnavailable as error:
                if self._now() < until:
                    await back_off.pause()
                    continue
                log.warning("schedule_missed", reason=str(error), **about)
            except DuplicateRequest:  # another worker was faster, and its function gave something else for this tick
                log.warning("schedule_ambiguous", **about)
            except Exception:  # the seam to the user's function and model
                log.exception("schedule_failed", **about)
            return

    async def _is_first(self, schedule: Schedule, tick: datetime) -> bool:
        """Whether the job of this tick was not there, and was made here."""
        owner, client_id = (schedule.tenant, schedule.user), schedule.client_id(tick)
        if await self._requests.get(ids.job_id(*owner, client_id)) is not None:
            return False
        payload, metadata = schedule.payload_at(tick), {"schedule": schedule.name, "tick": tick.isoformat()}
        submission = self._submitter.submission(*owner, client_id, schedule.action, payload, {"metadata": metadata})
        return (await self._submitter.store(submission)).created

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock() / 1000, UTC)
