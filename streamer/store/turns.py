"""The places that jobs get in their queues, shared between processes through the registry of nodes."""

import contextlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, Final

from streamer.errors import StoreUnavailable
from streamer.jobs.fairness import Turns
from streamer.jobs.model import Priority
from streamer.store.base import NodeRegistry

QUEUE: Final = "queue"
"""Kind of the rows that keep, by queue, how far virtual time has come, for when no worker is there to tell."""
TOLD: Final = "turns"
"""Under this name a worker's own row tells it: queue -> virtual time."""
_TURN: Final = "turn"


class StoredTurns:
    """See `store.base.Turnstile`. `clock` gives Unix milliseconds, from which virtual time starts where nobody knows
    better: it only has to come after what an older Streamer gave out, which were such times."""

    def __init__(self, nodes: NodeRegistry, *, clock: Callable[[], int]) -> None:
        self._nodes = nodes
        self._clock = clock
        self._queues: dict[str, Turns] = {}
        self._asked: set[str] = set()  # queues whose rows were read: what one worker told may be far behind them
        self._saved: defaultdict[str, int] = defaultdict(int)

    async def next(self, queue: str, tenant: str, priority: Priority, *, is_counted: bool = True) -> int:
        if queue not in self._asked:
            await self._ask(queue)
        return self._queues[queue].next(tenant, priority, is_counted=is_counted)

    def served(self, queue: str, virtual_time: int) -> None:
        if queue in self._queues:
            self._queues[queue].served(virtual_time)
        else:
            self._queues[queue] = Turns(virtual_time)

    def learn(self, info: Mapping[str, Any]) -> None:
        for queue, virtual_time in info.get(TOLD, {}).items():
            self.served(queue, int(virtual_time))

    def told(self) -> Mapping[str, Any]:
        return {TOLD: {queue: turns.now for queue, turns in self._queues.items()}}

    async def save(self) -> None:
        for queue in list(self._queues):
            await self._save(queue)

    async def _ask(self, queue: str) -> None:
        for row in await self._nodes.list(QUEUE):
            self.served(row.node_id, int(row.info.get(_TURN, 0)))
        if queue not in self._queues:
            self.served(queue, self._clock())
            with contextlib.suppress(StoreUnavailable):  # a submit does not fail of it
                await self._save(queue)  # whoever comes next must not begin at a later time than we did
        self._asked.add(queue)

    async def _save(self, queue: str) -> None:
        now = self._queues[queue].now
        if now > self._saved[queue]:
            await self._nodes.beat(QUEUE, queue, {_TURN: now})
            self._saved[queue] = now
