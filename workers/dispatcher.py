"""What is done about the changes that a shard showed."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

from streamer.jobs.model import Job
from streamer.store.base import now_ms
from streamer.store.feed import Change
from streamer.telemetry.metrics import Metrics
from workers import changes as asks
from workers.outbox import Outbox

AT_ONCE: Final = 16
MAX_OFFERED: Final = 64
"""Of one page: with more than that, whoever ends a job finds the next by itself."""


class Dispatcher:
    """Takes what came to wait, or offers it to another worker; keeps outcomes for the outbox.

    `take` is `Wakeups.streamed`, `offer` sends a hint. Idempotent, and free of order: a page may come twice.
    """

    def __init__(
        self,
        *,
        take: Callable[[Job], bool],
        offer: Callable[[Job], Awaitable[None]],
        outbox: Outbox,
        queues: Collection[str],
        actions: Collection[str],
        metrics: Metrics,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._take = take
        self._offer = offer
        self._outbox = outbox
        self._queues = frozenset(queues)
        self._actions = frozenset(actions)
        self._metrics = metrics
        self._clock = clock

    async def handle(self, page: Sequence[Change]) -> None:
        """Does what these changes ask for. Never raises."""
        for change in page:
            self._note(change)
        offered = [row for row in asks.still_waiting(page) if self._is_for_another(row)][:MAX_OFFERED]
        for start in range(0, len(offered), AT_ONCE):
            await asyncio.gather(*map(self._offer, offered[start : start + AT_ONCE]))

    def _note(self, change: Change) -> None:
        outcome = asks.ended(change)
        if outcome is not None:
            self._outbox.keep(*outcome)
        kind = "outbox" if outcome else "dispatch" if asks.waiting(change) else "none"
        self._metrics.stream_changes.labels(kind).inc()
        written_ms = asks.written_ms(change)
        if written_ms is not None:
            self._metrics.stream_lag_seconds.observe(max(0, self._clock() - written_ms) / 1000)

    def _is_for_another(self, row: Job) -> bool:
        """Not taken here: no slot is free, or it is not for workers like us; then it is offered where it is due."""
        if row.queue in self._queues and row.action in self._actions:
            return not self._take(row)
        return row.due_ms is None or row.due_ms <= self._clock()
