"""The operator's verbs, the same on every engine."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, Final, TypeVar

from streamer.errors import NotFound
from streamer.jobs import dispatch
from streamer.jobs.dispatch import Candidate, Kind
from streamer.jobs.lifecycle import Guard
from streamer.jobs.model import Entry, Job, Status
from streamer.store.admin import AdminRows, Erased, JobPage, Redrive, Standing, Survey, Waiting
from streamer.store.base import Connection, ConnectionStore, Inbox, RequestQueue
from streamer.store.engine import Rows
from streamer.store.fan_out import each
from streamer.store.inbox import partition
from streamer.store.walk import Walk

T = TypeVar("T")

KINDS: Final[Mapping[Standing, Kind]] = {
    Standing.RUNNING: Kind.RUNNING,
    Standing.WAITING: Kind.READY,
    Standing.DELAYED: Kind.TIMER,
    Standing.DEAD: Kind.DEAD,
}
COUNT_LIMIT: Final = 10_000
"""Of entries of one shard that are counted."""
SURVEYED: Final = 1_000
"""Entries of one shard that a survey counts for each standing."""
PAGE: Final = 100
"""Dead letters that are read at a time."""
WIDTH: Final = 16
"""Jobs that are erased at a time."""
_DEAD: Final = frozenset({Status.FAILED})
_ANY: Final = frozenset(Status)


class StoredAdmin:
    """`store.admin.Admin`. `clock` gives Unix milliseconds."""

    def __init__(
        self,
        rows: Rows,
        own: AdminRows,
        *,
        requests: RequestQueue,
        connections: ConnectionStore,
        inbox: Inbox,
        clock: Callable[[], int],
    ) -> None:
        self._rows = rows
        self._own = own
        self._requests = requests
        self._connections = connections
        self._inbox = inbox
        self._clock = clock

    # --- looking --------------------------------------------------------------------------------------------

    async def list_jobs(
        self,
        queue: str,
        standing: Standing,
        *,
        limit: int,
        cursor: str | None = None,
        action: str | None = None,
        tenant: str | None = None,
        max_looked: int | None = None,
    ) -> JobPage:
        walk = Walk(self._own, KINDS[standing], queue, cursor)
        jobs: list[Job] = []
        while len(jobs) < limit and (max_looked is None or walk.given < max_looked):
            places = await _next_of(walk, limit - len(jobs), action, tenant, max_looked)
            jobs += [job for job in await self._still_at(places) if _is_wanted(job, standing, action, tenant)]
            if walk.is_over:
                return JobPage(jobs, None)
        return JobPage(jobs, walk.cursor)

    async def _still_at(self, places: Mapping[str, Entry]) -> list[Job]:
        """Who has moved on since the index was read is left out."""
        rows = await self._requests.get_many(places)
        return [rows[job_id] for job_id, entry in places.items() if job_id in rows and rows[job_id].entry == entry]

    async def list_by_user(
        self, tenant: str, user: str, *, limit: int, standing: Standing | None = None, action: str | None = None
    ) -> Sequence[Job]:
        asked = limit
        while True:  # what is filtered out is made up for by asking for twice as much
            newest = await self._requests.list_by_user(tenant, user, asked)
            found = [job for job in newest if _is_wanted(job, standing, action, tenant)]
            if len(found) >= limit or len(newest) < asked:
                return found[:limit]
            asked *= 2

    async def count(self, queue: str) -> Mapping[Standing, int]:
        return {standing: await self._count(kind, queue) for standing, kind in KINDS.items()}

    async def _count(self, kind: Kind, queue: str) -> int:
        shards = [dispatch.partition(kind, queue, shard) for shard in range(dispatch.SHARDS)]
        return sum(await _all_of(self._rows.count(shard, limit=COUNT_LIMIT) for shard in shards))

    async def survey(self, queue: str) -> Survey:
        shards = range(dispatch.SHARDS)
        heads = await each(lambda shard: self._waiting(queue, shard), shards)
        tenants: dict[str, Waiting] = {}
        for candidate in chain(*heads):
            tenants[candidate.tenant] = _with(tenants.get(candidate.tenant), candidate)
        counted = {Standing.WAITING: [len(head) for head in heads]}
        for standing in (Standing.RUNNING, Standing.DELAYED, Standing.DEAD):
            partitions = [dispatch.partition(KINDS[standing], queue, shard) for shard in shards]
            counted[standing] = await each(lambda name: self._rows.count(name, limit=SURVEYED), partitions)
        is_exact = all(count < SURVEYED for counts in counted.values() for count in counts)
        return Survey({standing: sum(counts) for standing, counts in counted.items()}, tenants, is_exact)

    async def _waiting(self, queue: str, shard: int) -> Sequence[Candidate]:
        entries = await self._rows.entries(dispatch.partition(Kind.READY, queue, shard), limit=SURVEYED)
        return [dispatch.candidate(job_id, entry) for job_id, entry in entries]

    # --- dead letters ---------------------------------------------------------------------------------------

    async def redrive_all(self, queue: str, action: str) -> AsyncIterator[Redrive]:
        began = self._clock()
        async for dead in self._dead(queue, action):
            if dead.created_ms < began:  # else made by this very redrive, and failed again
                yield Redrive(dead, await self._redriven(dead))

    async def _redriven(self, dead: Job) -> Job | None:
        try:
            return await self._requests.redrive(dead.job_id)
        except NotFound:
            return None

    async def purge(self, job_id: str) -> Job:
        dead = await self._requests.get(job_id)
        if dead is None or dead.status is not Status.FAILED:
            raise NotFound("There is no dead letter of this id.")
        # the row comes last: while it is there, a purge that was interrupted can be made again
        await self._own.delete_beside(job_id)
        if dead.durable:
            await self._inbox.remove(dead.tenant, dead.user, job_id)
        await self._own.delete_row(job_id, Guard(statuses=_DEAD, principal=(dead.tenant, dead.user)))
        return dead

    async def purge_all(self, queue: str, *, ended_before_ms: int, action: str | None = None) -> AsyncIterator[Job]:
        async for dead in self._dead(queue, action):
            if dead.ended_ms is not None and dead.ended_ms >= ended_before_ms:
                return
            try:
                yield await self.purge(dead.job_id)
            except NotFound:
                continue  # by somebody else

    async def _dead(self, queue: str, action: str | None) -> AsyncIterator[Job]:
        cursor: str | None = None
        while True:
            page = await self.list_jobs(queue, Standing.DEAD, limit=PAGE, cursor=cursor, action=action)
            for job in page.jobs:
                yield job
            if page.cursor is None:
                return
            cursor = page.cursor

    # --- everything of somebody -----------------------------------------------------------------------------

    async def erase(self, tenant: str, user: str | None = None) -> Erased:
        connections = await self._connected(tenant, user)
        emptied = {row.user for row in connections} if user is None else {user}
        items = await self._empty_inboxes(tenant, emptied)
        erased: list[Job] = []
        async for page in self._own.jobs_of(tenant, user):
            users = {job.user for job in page} - emptied  # before their rows, which alone tell who they are
            items += await self._empty_inboxes(tenant, users)
            emptied |= users
            for row, beside in await self._erase_all(page):
                items += beside
                erased += [] if row is None else [row]
        return Erased(
            jobs=len(erased),
            items=items,
            watches=await self._own.delete_watches(tenant, user),
            connections=await self._disconnect(connections),
            stopped=[row for row in erased if row.status is Status.PROCESSING],
        )

    async def _empty_inboxes(self, tenant: str, users: Iterable[str]) -> int:
        return sum(await _all_of(self._own.delete_beside(partition(tenant, user)) for user in users))

    async def _erase_all(self, jobs: Sequence[Job]) -> list[tuple[Job | None, int]]:
        erased: list[tuple[Job | None, int]] = []
        for start in range(0, len(jobs), WIDTH):
            erased += await _all_of(self._erase(job) for job in jobs[start : start + WIDTH])
        return erased

    async def erase_beside(self, jobs: Sequence[Job]) -> int:
        return sum(await _all_of(self._own.delete_beside(job.job_id) for job in jobs))

    async def _erase(self, job: Job) -> tuple[Job | None, int]:
        """First what lies beside, which nobody would find without the row; then again what came there meanwhile."""
        items = await self._own.delete_beside(job.job_id)
        row = await self._own.delete_row(job.job_id, Guard(statuses=_ANY, principal=(job.tenant, job.user)))
        if row is not None and not job.finished:
            items += await self._own.delete_beside(job.job_id)
        return row, items

    async def _connected(self, tenant: str, user: str | None) -> Sequence[Connection]:
        if user is None:
            return await self._connections.list_by_tenant(tenant)
        return await self._connections.list_by_user(tenant, user)

    async def _disconnect(self, rows: Sequence[Connection]) -> int:
        nodes: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for row in rows:
            nodes[row.node_id][row.connection_id] = row.reconnects
        for node_id, bindings in nodes.items():
            await self._connections.delete(bindings, node_id)
        return len(rows)


def _with(waiting: Waiting | None, candidate: Candidate) -> Waiting:
    if waiting is None:
        return Waiting(1, candidate.created_ms)
    return Waiting(waiting.count + 1, min(waiting.oldest_created_ms, candidate.created_ms))


async def _next_of(
    walk: Walk, count: int, action: str | None, tenant: str | None, max_looked: int | None
) -> dict[str, Entry]:
    """The next `count` entries of the walk that may be wanted, by job id; fewer at its end, or where it is given up."""
    found: dict[str, Entry] = {}
    while len(found) < count and (max_looked is None or walk.given < max_looked):
        step = await walk.next()
        if step is None:
            break
        job_id, entry = step
        if _may_be_wanted(job_id, entry, action, tenant):
            found[job_id] = entry
    return found


def _may_be_wanted(job_id: str, entry: Entry, action: str | None, tenant: str | None) -> bool:
    if entry.partition.startswith(Kind.RUNNING):
        return True  # such an entry tells nothing
    told = dispatch.candidate(job_id, entry)
    return action in (None, told.action) and tenant in (None, told.tenant)


def _is_wanted(job: Job, standing: Standing | None, action: str | None, tenant: str | None) -> bool:
    if action not in (None, job.action) or tenant not in (None, job.tenant):
        return False
    if standing is None:
        return True
    stands = job.entry is not None and job.entry.partition.startswith(KINDS[standing])
    return stands and not (standing is Standing.DEAD and job.redriven_as is not None)


async def _all_of(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """All results, once every call has ended; else the first error."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    results: list[T] = []
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
        results.append(answer)
    return results
