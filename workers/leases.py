"""Who reads which shard: what each worker decides from the same lists, and the round in which it does."""

import math
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from streamer.cluster.registry import Peers
from streamer.store.feed import BEGINNING, LATEST, Feed, FeedMissing, Lease, LeaseLost, Shard

log = structlog.get_logger()

GONE_AFTER: Final = 10
"""A lease is removed when its shard was missing in so many listings in a row: a single one may be incomplete."""
UNFAIR: Final = 2
"""Who holds so many more leases than we do loses one to us."""

Leases = Mapping[str, Lease]


@dataclass(frozen=True, slots=True)
class Crew:
    """The worker sessions as the registry shows them: a lease of one that is not `living` is free."""

    me: str
    living: frozenset[str]
    readers: int  # those that share the shards


def crew(workers: Peers, me: str) -> Crew | None:
    """None: the registry has not been read since we are in it, so that nobody may be held for gone."""
    if workers.get(me) is None:
        return None
    rows = workers.rows()
    readers = {row.node_id for row in rows if "stream" in row.info.get("wakeups", ()) and not row.info.get("draining")}
    return Crew(me, frozenset(row.node_id for row in rows), len(readers | {me}))


def unleased(shards: Sequence[Shard], leases: Leases) -> list[Shard]:
    """Shards without a lease, children before their parents: so a lease of a parent means that all of its children
    that were listed then have theirs."""
    parents = {shard.shard_id: shard.parent for shard in shards}

    def depth(shard_id: str) -> int:
        parent = parents[shard_id]
        return 1 + depth(parent) if parent in parents else 0

    new = [shard for shard in shards if shard.shard_id not in leases]
    return sorted(new, key=lambda shard: depth(shard.shard_id), reverse=True)


def follows(shard: Shard, leases: Leases) -> bool:
    """Whether its parent is, or was, read here: then nothing of it may be left out."""
    return shard.parent in leases


def readable(shards: Sequence[Shard], leases: Leases) -> list[Lease]:
    """Leases of shards that are listed, not read to their end, and whose parents are."""
    listed = {shard.shard_id for shard in shards}

    def is_ready(shard: Shard) -> bool:
        parent = leases.get(shard.parent or "")
        return shard.parent not in listed or (parent is not None and parent.is_done)

    held = [leases[shard.shard_id] for shard in shards if shard.shard_id in leases and is_ready(shard)]
    return [lease for lease in held if not lease.is_done]


def wanted(readable: Sequence[Lease], crew: Crew, pick: random.Random) -> list[Lease]:
    """What we should take: free ones up to our share; where there is none, one of whoever has far more than we."""
    held: Counter[str | None] = Counter(lease.owner for lease in readable if lease.owner in crew.living)
    mine = held[crew.me]
    share = math.ceil(len(readable) / crew.readers)
    free = [lease for lease in readable if lease.owner not in crew.living]
    if free:
        return pick.sample(free, min(len(free), max(0, share - mine)))
    most = max(held.values(), default=0)
    rich = [lease for lease in readable if held[lease.owner] == most >= mine + UNFAIR]
    return [pick.choice(rich)] if rich else []


class Shares:
    """Our share of a feed's shards. `on_gap` is called where changes were missed for good, until it succeeds."""

    def __init__(self, feed: Feed, *, on_gap: Callable[[], Awaitable[bool]], pick: random.Random | None = None) -> None:
        self._feed = feed
        self._on_gap = on_gap
        self._pick = pick or random.Random()  # noqa: S311  # spreads load, guards nothing
        self._missing: Counter[str] = Counter()  # lease -> listings in a row without its shard

    async def round(self, crew: Crew) -> list[Lease]:
        """Lists the shards, and takes what we should. Returns the leases that are ours and to be read now.

        Raises StoreUnavailable, and FeedMissing where the feed is gone, or over: closed and read to its end.
        """
        shards = await self._feed.shards()
        leases = await self._completed(shards, crew, await self._leases())
        done = {lease.shard_id for lease in leases.values() if lease.is_done}
        if shards and all(shard.is_closed and shard.shard_id in done for shard in shards):
            raise FeedMissing("all of the feed is closed and was read")
        await self._forget({shard.shard_id for shard in shards}, leases)
        ready = readable(shards, leases)
        mine = [lease for lease in ready if lease.owner == crew.me]
        for lease in wanted(ready, crew, self._pick):
            taken = await self._taken(lease, crew)
            mine += [taken] if taken else []
        return mine

    async def _completed(self, shards: Sequence[Shard], crew: Crew, leases: Leases) -> Leases:
        """All leases, once there is one for each shard: what follows a shard of ours is read from its beginning; of
        others, only what comes from now on."""
        new = unleased(shards, leases)
        if not new:
            return leases
        for shard in new:
            await self._feed.create_lease(shard.shard_id, BEGINNING if follows(shard, leases) else LATEST)
        over = {shard.shard_id for shard in new if shard.is_closed and not follows(shard, leases)}
        for lease in await self._feed.leases():
            if lease.shard_id in over and lease.owner is None and not lease.is_done:
                await self._finish(lease, crew)
        return await self._leases()

    async def _finish(self, lease: Lease, crew: Crew) -> None:
        """What was over before we came is not read."""
        with suppress(LeaseLost):  # another does the same
            taken = await self._feed.take(lease, crew.me)
            await self._feed.checkpoint(taken, lease.position, is_done=True)

    async def _taken(self, lease: Lease, crew: Crew) -> Lease | None:
        try:
            taken = await self._feed.take(lease, crew.me)
        except LeaseLost:  # another was quicker
            return None
        log.info("shard_taken", shard=lease.shard_id, session=crew.me, position=lease.position, former=lease.owner)
        return taken

    async def _forget(self, listed: set[str], leases: Leases) -> None:
        self._missing = Counter({name: self._missing[name] + 1 for name in leases if name not in listed})
        for name, times in self._missing.items():
            if times >= GONE_AFTER and (leases[name].is_done or await self._on_gap()):
                await self._feed.delete_lease(leases[name])

    async def _leases(self) -> Leases:
        return {lease.shard_id: lease for lease in await self._feed.leases()}
