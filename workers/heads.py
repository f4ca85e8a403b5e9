"""The heads of the queue: what is served next, as the index shows it."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Literal

from streamer.jobs.dispatch import Candidate
from streamer.store.base import RequestQueue, now_ms
from streamer.telemetry.metrics import Metrics

Wakeup = Literal["direct", "sweep", "slot"]


@dataclass(frozen=True, slots=True)
class Lead:
    """A job that may be had. `due_ms`: when its timer was due, None for what was ready."""

    job_id: str
    queue: str
    action: str
    wakeup: Wakeup
    due_ms: int | None = None


class Heads:
    """Reads ready jobs and due timers of some shards at once, and merges them by rank: virtual and due times are
    both Unix milliseconds."""

    def __init__(
        self, requests: RequestQueue, queues: Sequence[str], metrics: Metrics, *, clock: Callable[[], int] = now_ms
    ) -> None:
        self._requests = requests
        self._queues = queues
        self._metrics = metrics
        self._clock = clock

    async def read(self, shards: Collection[int], limit: int, wakeup: Wakeup) -> list[Lead]:
        """Up to `limit` of each partition, best first. Raises StoreUnavailable."""
        ranked: list[tuple[int, Lead]] = []
        for queue in self._queues:
            ready, due = await self._partitions(queue, shards, limit)
            ranked += [(found.rank, _lead(found, wakeup)) for found in chain(*ready)]
            ranked += [(found.rank, _lead(found, wakeup, found.rank)) for found in chain(*due)]
            if wakeup == "sweep":
                await self._measure(queue, [*ready, *due], limit)
        ranked.sort(key=lambda pair: pair[0])
        return [lead for _, lead in ranked]

    async def _partitions(
        self, queue: str, shards: Collection[int], limit: int
    ) -> tuple[Sequence[Sequence[Candidate]], Sequence[Sequence[Candidate]]]:
        ready = (self._requests.ready(queue, shard, limit) for shard in shards)
        due = (self._requests.due(queue, shard, limit) for shard in shards)
        found = await asyncio.gather(*ready, *due)
        return found[: len(shards)], found[len(shards) :]

    async def _measure(self, queue: str, heads: Sequence[Sequence[Candidate]], limit: int) -> None:
        """A sweep has seen all that waits, unless a partition had as much as was asked for."""
        depth = sum(map(len, heads))
        oldest_ms = min((found.created_ms for found in chain(*heads)), default=None)
        if any(len(head) >= limit for head in heads):
            backlog = await self._requests.backlog(queue)
            depth, oldest_ms = backlog.depth, backlog.oldest_created_ms
        age_s = 0.0 if oldest_ms is None else max(0, self._clock() - oldest_ms) / 1000
        self._metrics.queue_depth.labels(queue).set(depth)
        self._metrics.oldest_ready_age_seconds.labels(queue).set(age_s)


def _lead(found: Candidate, wakeup: Wakeup, due_ms: int | None = None) -> Lead:
    return Lead(found.job_id, found.queue, found.action, wakeup, due_ms)
