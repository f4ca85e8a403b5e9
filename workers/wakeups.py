"""How work is found: told by a node, read from the queue, or known from a timer of our own; taken in one way."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Final

import structlog

from streamer.cluster.lanes import report_death
from streamer.errors import StoreUnavailable
from streamer.jobs.dispatch import SHARDS
from streamer.jobs.model import Job
from streamer.store.base import now_ms
from workers.heads import Heads, Lead
from workers.slots import Slots

log = structlog.get_logger()

MIN_LOOK: Final = 10
MAX_LOOK: Final = 200
MAX_REMEMBERED: Final = 10_000
LATE_MS: Final = 5
"""A timer fires so much after its job is due: the claim compares wall clocks in whole milliseconds."""


class Wakeups:
    """Fills the slots. `claim` gives the row or None, `run` runs it; `is_open` tells whether to claim at all.

    A job that could not be had is left alone for `sweep_s`, hints aside: an index that is late still shows it.
    """

    def __init__(
        self,
        *,
        heads: Heads,
        slots: Slots,
        claim: Callable[[Lead], Awaitable[Job | None]],
        run: Callable[[Job], Awaitable[None]],
        is_open: Callable[[], bool],
        live_workers: Callable[[], int],
        queues: Collection[str],
        actions: Collection[str],
        takes_hints: bool,
        sweep_s: float,
        clock: Callable[[], int] = now_ms,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._heads = heads
        self._slots = slots
        self._claim = claim
        self._run = run
        self._is_open = is_open
        self._live_workers = live_workers
        self._queues = frozenset(queues)
        self._actions = frozenset(actions)
        self._takes_hints = takes_hints
        self._sweep_s = sweep_s
        self._clock = clock
        self._chance = chance
        self._is_loaded = False  # more waited than had a slot when it was last looked at
        self._filling: asyncio.Task[None] | None = None  # looks for more when slots become free
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._refused: dict[str, float] = {}  # job -> loop time until which it is left alone
        slots.on_free = self._slot_freed

    def hinted(self, jobs: Iterable[tuple[str, str, str]]) -> list[str]:
        """A node stored these jobs (id, queue, action). Returns the ids of those that it need not worry about."""
        leads = [Lead(job_id, queue, action, "direct") for job_id, queue, action in jobs if self._takes_hints]
        return [lead.job_id for lead in leads if lead.job_id in self._slots or self._take(lead)]

    def due_later(self, row: Job) -> None:
        """We wrote this job's retry, so we know when it is due."""
        if row.due_ms is None or len(self._timers) >= MAX_REMEMBERED:
            return
        lead = Lead(row.job_id, row.queue, row.action, "direct", row.due_ms)
        delay_s = max(0, row.due_ms + LATE_MS - self._clock()) / 1000
        self._timers[row.job_id] = asyncio.get_running_loop().call_later(delay_s, self._due, lead)

    def ready_now(self, row: Job) -> None:
        """We gave this job back; it may run at once."""
        self._take(Lead(row.job_id, row.queue, row.action, "direct"))

    async def sweep_for_ever(self) -> None:
        """A look per `sweep_s` times the live workers, jittered: together they look once per `sweep_s`."""
        while True:
            await self.sweep()
            await asyncio.sleep(self._sweep_s * max(1, self._live_workers()) * (0.5 + self._chance()))

    async def sweep(self) -> None:
        """Takes from all shards what has a slot."""
        try:
            leads = await self._heads.read(range(SHARDS), self._limit(), "sweep")
        except StoreUnavailable as error:
            log.debug("sweep_skipped", reason=str(error))
            return
        self._take_in_order(leads)

    async def close(self) -> None:
        """Looks for no more work."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)

    def _due(self, lead: Lead) -> None:
        self._timers.pop(lead.job_id, None)
        self._take(lead)

    def _slot_freed(self) -> None:
        is_filling = self._filling is not None and not self._filling.done()
        if self._is_loaded and self._is_open() and not is_filling:
            self._filling = asyncio.create_task(self._fill(), name="fill slots")
            self._filling.add_done_callback(report_death)

    async def _fill(self) -> None:
        """Two shards' heads; all of them where two had not enough."""
        try:
            while self._is_loaded and self._slots.free:
                two = random.sample(range(SHARDS), 2)
                taken = self._take_in_order(await self._heads.read(two, self._limit(), "slot"))
                if self._slots.free:
                    taken += self._take_in_order(await self._heads.read(range(SHARDS), self._limit(), "slot"))
                if not taken:
                    return
        except StoreUnavailable as error:  # the next sweep finds them
            log.debug("slots_not_filled", reason=str(error))

    def _take_in_order(self, leads: Iterable[Lead]) -> int:
        """Takes the best; notes whether more is left. Returns how many were taken."""
        wanted = [lead for lead in leads if self._wants(lead)]
        taken = sum([self._take(lead) for lead in wanted[: self._slots.free]])
        self._is_loaded = len(wanted) > taken or not self._slots.free
        return taken

    def _take(self, lead: Lead) -> bool:
        if not self._is_open() or lead.job_id in self._slots or not self._serves(lead):
            return False
        if not self._slots.free:
            self._is_loaded = True
            return False
        self._slots.take(lead.job_id, self._pursue(lead))
        if not self._slots.free:
            self._is_loaded = True
        return True

    async def _pursue(self, lead: Lead) -> None:
        row = await self._claim(lead)
        if row is None:
            self._leave_alone(lead.job_id)
        else:
            self._refused.pop(lead.job_id, None)
            await self._run(row)

    def _leave_alone(self, job_id: str) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._refused) >= MAX_REMEMBERED:
            self._refused = {name: until for name, until in self._refused.items() if until > now}
        self._refused[job_id] = now + self._sweep_s

    def _wants(self, lead: Lead) -> bool:
        is_alone = self._refused.get(lead.job_id, 0.0) > asyncio.get_running_loop().time()
        return self._serves(lead) and lead.job_id not in self._slots and not is_alone

    def _serves(self, lead: Lead) -> bool:
        return lead.queue in self._queues and lead.action in self._actions

    def _limit(self) -> int:
        """Enough to fill the slots though others are after the same, and past what we are about to have."""
        busy = self._slots.size - self._slots.free
        return min(MAX_LOOK, max(MIN_LOOK, 2 * self._slots.free + busy))
