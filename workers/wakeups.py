"""How work is found: told by a node or by the stream, read from the queue, or known from a timer of our own; taken in
one way."""

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from typing import Final

import structlog

from streamer.cluster.lanes import report_death
from streamer.errors import StoreUnavailable
from streamer.jobs.dispatch import SHARDS
from streamer.jobs.model import Job
from streamer.store.back_off import BackOff
from streamer.store.base import now_ms
from workers.heads import Heads
from workers.order import Lead, Wakeup
from workers.slots import Slots

log = structlog.get_logger()

MIN_LOOK: Final = 10
MAX_LOOK: Final = 200
SHARDS_PER_SLOT: Final = 2
MAX_REMEMBERED: Final = 10_000
NET_S: Final = 60.0
"""Between two looks, of all workers together, where they do not wake up by sweeps."""
LATE_MS: Final = 5
"""A timer fires so much after its job is due: the claim compares wall clocks in whole milliseconds."""


class Wakeups:
    """Fills the slots. `claim` gives the row or None, `run` runs it; `is_open` tells whether to claim at all.

    `ways`: those of direct, stream and sweep by which this worker wakes up. Whatever they are, it looks at all of the
    queue at its start, and again when a slot becomes free while more waits; and without sweep once a minute, for what
    nobody was told of and for timers of workers that are gone. `limits`: action -> how many of its
    jobs run here at a time. A job that could not be had is left alone for `sweep_s`, unless we are told of it: an
    index that is late still shows it.
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
        ways: Collection[str],
        sweep_s: float,
        limits: Mapping[str, int] | None = None,
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
        self._ways = frozenset(ways)
        self._limits = dict(limits or {})
        self._sweep_s = sweep_s
        self._clock = clock
        self._chance = chance
        self._is_loaded = False  # more waits than has a slot, as far as we know: the queue says who is next
        self._held: set[str] = set()  # actions at their limit of which more waits
        self._parked: deque[Lead] = deque(maxlen=slots.size)  # told of while loaded; taken where a look finds no better
        self._filling: asyncio.Task[None] | None = None  # looks for more when slots become free
        self._is_stirred = False  # something changed since the look under way began
        self._turn: list[int] = []  # shards that are still to be looked at before the others are again
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._refused: dict[str, float] = {}  # job -> loop time until which it is left alone
        slots.on_free = self._slot_freed

    # --- told -----------------------------------------------------------------------------------------------

    def hinted(self, leads: Iterable[Lead]) -> list[str]:
        """Another process knows of these jobs. Returns the ids of those that it need not worry about."""
        ours = [lead for lead in leads if lead.wakeup in self._ways]
        return [lead.job_id for lead in ours if lead.job_id in self._slots or self._accept(lead)]

    def streamed(self, row: Job) -> bool:
        """The stream showed this waiting job. Whether nobody else need be told: it has a slot here, will be started by
        a timer here when it is due, or is not ours to run."""
        if row.job_id in self._slots or not self._serves(_told(row, "stream")):
            return True
        if row.due_ms is not None and row.due_ms > self._clock():
            self.due_later(row, "stream")
            return True
        return self._accept(_told(row, "stream"))

    def due_later(self, row: Job, wakeup: Wakeup = "direct") -> None:
        """We know when this job is due, and start it then."""
        self._set_timer(_told(row, wakeup))

    def _set_timer(self, lead: Lead) -> None:
        known = self._timers.get(lead.job_id)
        if lead.due_ms is None or (known is None and len(self._timers) >= MAX_REMEMBERED):
            return
        if known is not None:  # due at another time by now
            known.cancel()
        delay_s = max(0, lead.due_ms + LATE_MS - self._clock()) / 1000
        self._timers[lead.job_id] = asyncio.get_running_loop().call_later(delay_s, self._due, lead)

    def ready_now(self, row: Job) -> None:
        """We gave this job back; it may run at once."""
        self._accept(_told(row, "direct"))

    def _due(self, lead: Lead) -> None:
        self._timers.pop(lead.job_id, None)
        self._accept(lead)

    def _accept(self, lead: Lead) -> bool:
        """A job that we were told of gets a slot at once, unless more waits: then only after what comes before it."""
        if not (self._is_loaded and self._slots.free):
            return self._take(lead)
        if not self._may_take(lead):
            return False
        self._parked.append(lead)
        self._stir()
        return True

    # --- looking --------------------------------------------------------------------------------------------

    async def sweep_for_ever(self) -> None:
        """The first look at all of the queue, then one per `sweep_s` times the live workers, jittered: together they
        look once per `sweep_s`; once a minute where this worker does not wake up by sweeps. Again soon where the store
        was away."""
        every_s = self._sweep_s if "sweep" in self._ways else NET_S
        back_off = BackOff()
        while True:
            if await self.sweep():
                back_off = BackOff()
                await asyncio.sleep(every_s * max(1, self._live_workers()) * (0.5 + self._chance()))
            else:
                await back_off.pause()

    async def sweep(self) -> bool:
        """Takes from all shards what has a slot. Whether the store could be read."""
        try:
            await self._look(range(SHARDS), "sweep")
            if "sweep" not in self._ways:
                for lead in await self._heads.upcoming(range(SHARDS), MAX_LOOK, 2 * int(NET_S * 1000)):
                    self._set_timer(lead)
        except StoreUnavailable as error:
            log.debug("sweep_skipped", reason=str(error))
            return False
        self._is_loaded = not self._slots.free
        return True

    async def close(self) -> None:
        """Looks for no more work."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)

    def _slot_freed(self, action: str) -> None:
        if action in self._held:
            self._held.discard(action)
            self._is_loaded = True
        if self._is_loaded:
            self._stir()

    def _stir(self) -> None:
        """What is under way looks again, or a look begins."""
        self._is_stirred = True
        if self._is_open() and (self._filling is None or self._filling.done()):
            self._filling = asyncio.create_task(self._fill(), name="fill slots")
            self._filling.add_done_callback(report_death)

    async def _fill(self) -> None:
        """Until all slots are taken, or nothing is left to be had."""
        try:
            while self._slots.free and await self._found_more():
                pass
        except StoreUnavailable as error:  # the next sweep finds them
            log.debug("slots_not_filled", reason=str(error))
        while self._parked and self._slots.free:
            self._take(self._parked.popleft())
        self._parked.clear()  # what is left stands in the queue, and a freed slot looks there

    async def _found_more(self) -> bool:
        """Looks at two shards' heads, at all of them where these have nothing. Whether another look is worth it."""
        self._is_stirred = False
        if await self._look(self._next_shards(), "slot") or await self._look(range(SHARDS), "slot") or self._is_stirred:
            return True
        self._is_loaded = False
        return False

    def _next_shards(self) -> Collection[int]:
        """Each shard has its turn before any has the next one, in an order that no two workers share."""
        if not self._turn:
            self._turn = random.sample(range(SHARDS), SHARDS)
        shards, self._turn = self._turn[:SHARDS_PER_SLOT], self._turn[SHARDS_PER_SLOT:]
        return shards

    async def _look(self, shards: Collection[int], wakeup: Wakeup) -> int:
        """Takes the best of these shards. Returns how many."""
        leads = await self._heads.read(shards, self._limit(), wakeup, self._wants)
        return sum(self._take(lead) for lead in leads if self._slots.free)

    def _limit(self) -> int:
        """Enough to fill the slots though others are after the same."""
        return min(MAX_LOOK, max(MIN_LOOK, 2 * self._slots.free))

    # --- taking ---------------------------------------------------------------------------------------------

    def _take(self, lead: Lead) -> bool:
        if not self._may_take(lead):
            return False
        has_slot = self._slots.free > 0
        if has_slot:
            self._slots.take(lead.job_id, self._pursue(lead), lead.action)
        self._is_loaded = self._is_loaded or not self._slots.free
        return has_slot

    def _may_take(self, lead: Lead) -> bool:
        """Whether a free slot might be given to it."""
        return (
            self._is_open()
            and self._serves(lead)
            and lead.job_id not in self._slots
            and not self._is_held_back(lead.action)
        )

    async def _pursue(self, lead: Lead) -> None:
        row = await self._claim(lead)
        if row is None:
            self._leave_alone(lead.job_id)
        else:
            self._heads.taken(lead)
            self._refused.pop(lead.job_id, None)
            await self._run(row)

    def _leave_alone(self, job_id: str) -> None:
        now = asyncio.get_running_loop().time()
        if len(self._refused) >= MAX_REMEMBERED:
            self._refused = {name: until for name, until in self._refused.items() if until > now}
        self._refused[job_id] = now + self._sweep_s

    def _wants(self, lead: Lead) -> bool:
        is_alone = self._refused.get(lead.job_id, 0.0) > asyncio.get_running_loop().time()
        return not is_alone and self._may_take(lead)

    def _serves(self, lead: Lead) -> bool:
        return lead.queue in self._queues and lead.action in self._actions

    def _is_held_back(self, action: str) -> bool:
        """Whether as many of this action run as may; it is looked for again when one of them ends."""
        limit = self._limits.get(action)
        if limit is None or self._slots.count(action) < limit:
            return False
        self._held.add(action)
        return True


def _told(row: Job, wakeup: Wakeup) -> Lead:
    return Lead(row.job_id, row.queue, row.action, wakeup, row.due_ms, row.tenant)
