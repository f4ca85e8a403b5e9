"""The heads of the queue: what is served next, as the index shows it."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import chain, product
from typing import Final

from streamer.jobs.dispatch import Candidate, Kind
from streamer.store.base import RequestQueue, now_ms
from streamer.store.fan_out import each
from streamer.telemetry.metrics import Metrics
from workers.order import Lead, Order, Wakeup

PAGE: Final = 200
MAX_PAGES: Final = 4
"""So much is read, in one look, behind a head in which nothing is wanted; the next look goes on from there."""
COUNT_EVERY_MS: Final = 30_000
"""Counting what waits costs the more the more waits."""

Wants = Callable[[Lead], bool]


@dataclass(frozen=True, slots=True)
class _Partition:
    kind: Kind  # READY or TIMER
    queue: str
    shard: int


@dataclass(frozen=True, slots=True)
class _Look:
    """What one look is after."""

    limit: int  # of each partition's head
    wakeup: Wakeup
    wants: Wants

    def wanted(self, page: Sequence[Candidate], kind: Kind) -> list[Lead]:
        return [lead for found in page if self.wants(lead := _lead(found, self.wakeup, kind))]


@dataclass(frozen=True, slots=True)
class _Head:
    """The first page of a partition; and what is wanted, of it and of what was read behind it."""

    first: Sequence[Candidate]
    leads: Sequence[Lead]


class Heads:
    """Reads ready jobs and due timers of some shards at once, and puts them in order.

    A head full of what this worker cannot run does not hide what stands behind it, nor do many timers of one tenant
    hide those of another.
    """

    def __init__(
        self, requests: RequestQueue, queues: Sequence[str], metrics: Metrics, *, clock: Callable[[], int] = now_ms
    ) -> None:
        self._requests = requests
        self._queues = queues
        self._metrics = metrics
        self._clock = clock
        self._order = Order()
        self._resume: dict[_Partition, str] = {}  # the sort key behind which the next look goes on
        self._counted_ms: dict[str, int] = {}  # by queue: when its backlog was counted last

    async def read(self, shards: Collection[int], limit: int, wakeup: Wakeup, wants: Wants) -> list[Lead]:
        """What is wanted of the first `limit` of each partition, and of what follows where that is nothing; best
        first. Raises StoreUnavailable."""
        look = _Look(limit, wakeup, wants)
        found = await each(lambda queue: self._of_queue(queue, shards, look), self._queues)
        heads = dict(zip(self._queues, found, strict=True))
        if wakeup == "sweep":
            for queue, of_queue in heads.items():
                await self._measure(queue, [head.first for head in of_queue], limit)
        leads = {queue: [*chain(*(head.leads for head in of_queue))] for queue, of_queue in heads.items()}
        return self._order.best_first(leads)

    async def upcoming(self, shards: Collection[int], limit: int, within_ms: int) -> list[Lead]:
        """Timers that will be due so soon, up to `limit` of each partition. Raises StoreUnavailable."""
        pages = await each(
            lambda place: self._requests.due(*place, limit, within_ms=within_ms), product(self._queues, shards)
        )
        return [_lead(found, "sweep", Kind.TIMER) for found in chain(*pages)]

    def taken(self, lead: Lead) -> None:
        """This job was started here."""
        self._order.taken(lead)

    async def _of_queue(self, queue: str, shards: Collection[int], look: _Look) -> Sequence[_Head]:
        partitions = [_Partition(kind, queue, shard) for kind in (Kind.READY, Kind.TIMER) for shard in shards]
        return await each(lambda partition: self._head(partition, look), partitions)

    async def _head(self, partition: _Partition, look: _Look) -> _Head:
        first = await self._page(partition, look.limit)
        leads = look.wanted(first, partition.kind)
        if len(first) < look.limit:
            self._resume.pop(partition, None)
        elif not leads:
            leads = await self._behind(partition, first[-1].sort, look, MAX_PAGES)
        elif partition.kind is Kind.TIMER:
            leads += await self._of_other_tenants(partition, first, look)
        return _Head(first, leads)

    async def _of_other_tenants(self, partition: _Partition, first: Sequence[Candidate], look: _Look) -> list[Lead]:
        """Timers stand by due time, so whoever has many that are long due fills the head: one page behind it."""
        seen = {found.tenant for found in first}
        others = _Look(look.limit, look.wakeup, lambda lead: lead.tenant not in seen and look.wants(lead))
        return await self._behind(partition, first[-1].sort, others, 1)

    async def _behind(self, partition: _Partition, head_end: str, look: _Look, pages: int) -> list[Lead]:
        """What is wanted in the first page that has any, from where the last look ended."""
        after = max(head_end, self._resume.get(partition, ""))
        for _ in range(pages):
            page = await self._page(partition, PAGE, after)
            if leads := look.wanted(page, partition.kind):
                self._resume[partition] = after  # there may be more in this page
                return leads
            if len(page) < PAGE:
                self._resume.pop(partition, None)
                return []
            self._resume[partition] = after = page[-1].sort
        return []

    async def _page(self, partition: _Partition, limit: int, after: str | None = None) -> Sequence[Candidate]:
        read = self._requests.ready if partition.kind is Kind.READY else self._requests.due
        return await read(partition.queue, partition.shard, limit, after=after)

    async def _measure(self, queue: str, heads: Sequence[Sequence[Candidate]], limit: int) -> None:
        """A sweep has seen all that waits, unless a partition had as much as was asked for."""
        depth = sum(map(len, heads))
        oldest_ms = min((found.created_ms for found in chain(*heads)), default=None)
        if any(len(head) >= limit for head in heads):
            now = self._clock()
            if now - self._counted_ms.get(queue, 0) < COUNT_EVERY_MS:
                return
            self._counted_ms[queue] = now
            backlog = await self._requests.backlog(queue)
            depth, oldest_ms = backlog.depth, backlog.oldest_created_ms
        age_s = 0.0 if oldest_ms is None else max(0, self._clock() - oldest_ms) / 1000
        self._metrics.queue_depth.labels(queue).set(depth)
        self._metrics.oldest_ready_age_seconds.labels(queue).set(age_s)


def _lead(found: Candidate, wakeup: Wakeup, kind: Kind) -> Lead:
    due_ms = found.rank if kind is Kind.TIMER else None
    return Lead(found.job_id, found.queue, found.action, wakeup, due_ms, found.tenant, found.rank)
