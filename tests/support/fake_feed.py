"""A feed of changes in memory, which a test splits, trims, makes anew and takes away."""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from streamer.errors import StoreUnavailable
from streamer.jobs.model import Job
from streamer.store.feed import (
    BEGINNING,
    LATEST,
    Change,
    Expired,
    Feed,
    FeedMissing,
    Lease,
    LeaseLost,
    Page,
    Shard,
    Trimmed,
)


@dataclass
class _Records:
    """One shard: its records, of which the first `trimmed` are no longer kept."""

    parent: str | None
    is_closed: bool = False
    is_listed: bool = True
    is_listed_open: bool = False  # though it is closed
    trimmed: int = 0
    changes: list[Change] = field(default_factory=list)


class FakeFeed:
    """See `streamer.store.feed.Feed`. `calls` counts by verb; `away` are the verbs that raise StoreUnavailable."""

    def __init__(self, feed_id: str = "feed-1", *, page: int = 3) -> None:
        self.feed_id = feed_id
        self.calls: Counter[str] = Counter()
        self.log: list[str] = []  # verb and shard, in order
        self.away: set[str] = set()
        self.is_missing = False
        self.held: dict[str, Lease] = {}
        self._records: dict[str, _Records] = {}
        self._unread: set[str] = set()  # shards that were taken, and whose new reader has not asked for a cursor
        self._page = page
        self._valid = 0  # cursors of an earlier number have expired
        self._written = 0

    # --- what a test does -----------------------------------------------------------------------------------

    def shard(self, name: str, *, parent: str | None = None, is_closed: bool = False) -> str:
        self._records[name] = _Records(parent, is_closed)
        return name

    def split(self, name: str, *children: str, is_listed_open: bool = False) -> None:
        """The shard has children from now on, and takes no more changes."""
        self.close(name)
        self._records[name].is_listed_open = is_listed_open
        for child in children:
            self.shard(child, parent=name)

    def close(self, name: str) -> None:
        self._records[name].is_closed = True

    def write(self, shard: str, after: Job | None, before: Job | None = None) -> str:
        self._written += 1
        change = Change(f"{self._written:021d}", before, after)
        self._records[shard].changes.append(change)
        return change.position

    def trim(self, shard: str) -> None:
        """Nothing of what was written by now is kept."""
        self._records[shard].trimmed = len(self._records[shard].changes)
        self.expire()

    def expire(self) -> None:
        self._valid += 1

    def unlist(self, shard: str) -> None:
        self._records[shard].is_listed = False

    def owners(self) -> Counter[str | None]:
        """Owner -> leases that are not done."""
        return Counter(lease.owner for lease in self.held.values() if not lease.is_done)

    def is_read(self) -> bool:
        """Whether all shards that were taken have a cursor: what is written from now on is seen."""
        return not self._unread

    # --- Feed -----------------------------------------------------------------------------------------------

    async def shards(self) -> Sequence[Shard]:
        self._called("shards")
        listed = {name: each for name, each in self._records.items() if each.is_listed}
        return [Shard(name, each.parent, each.is_closed and not each.is_listed_open) for name, each in listed.items()]

    async def cursor(self, shard_id: str, position: str) -> str:
        self._called("cursor", shard_id)
        self._unread.discard(shard_id)
        records = self._of(shard_id)
        starts = {LATEST: len(records.changes), BEGINNING: records.trimmed}
        start = starts.get(position)
        if start is None:
            start = 1 + [change.position for change in records.changes].index(position)
            if start <= records.trimmed:
                raise Trimmed
        return f"{shard_id}@{start}@{self._valid}"

    async def read(self, cursor: str) -> Page:
        shard_id, start, made = cursor.split("@")
        self._called("read", shard_id)
        if int(made) < self._valid:
            raise Expired
        records = self._of(shard_id)
        found = records.changes[int(start) : int(start) + self._page]
        end = int(start) + len(found)
        is_over = records.is_closed and end == len(records.changes)
        return Page(found, None if is_over else f"{shard_id}@{end}@{made}", found[-1].position if found else None)

    async def leases(self) -> Sequence[Lease]:
        self._called("leases")
        return list(self.held.values())

    async def create_lease(self, shard_id: str, position: str) -> None:
        self._called("create_lease", shard_id)
        self.held.setdefault(shard_id, Lease(shard_id, None, 0, position))

    async def take(self, lease: Lease, owner: str) -> Lease:
        self._called("take", lease.shard_id)
        taken = self._change(lease, owner=owner)
        self._unread.add(lease.shard_id)
        return taken

    async def checkpoint(self, lease: Lease, position: str, *, is_done: bool = False) -> Lease:
        self._called("checkpoint", lease.shard_id)
        self._unread -= {lease.shard_id} if is_done else set()
        return self._change(lease, position=position, is_done=is_done)

    async def release(self, lease: Lease) -> None:
        self._called("release", lease.shard_id)
        if self._is_current(lease):
            self._change(lease, owner=None)

    async def delete_lease(self, lease: Lease) -> None:
        self._called("delete_lease", lease.shard_id)
        if self._is_current(lease):
            del self.held[lease.shard_id]

    def _change(self, lease: Lease, **fields: Any) -> Lease:
        if not self._is_current(lease):
            raise LeaseLost
        self.held[lease.shard_id] = replace(lease, counter=lease.counter + 1, **fields)
        return self.held[lease.shard_id]

    def _is_current(self, lease: Lease) -> bool:
        held = self.held.get(lease.shard_id)
        return held is not None and held.counter == lease.counter

    def _of(self, shard_id: str) -> _Records:
        records = self._records[shard_id]
        if not records.is_listed:
            raise FeedMissing(f"no shard {shard_id}")
        return records

    def _called(self, verb: str, shard_id: str = "") -> None:
        self.calls[verb] += 1
        self.log.append(f"{verb} {shard_id}".strip())
        if self.is_missing:
            raise FeedMissing("no feed")
        if verb in self.away or "all" in self.away:
            raise StoreUnavailable("away")


class FakeFeeds:
    """See `streamer.store.feed.Feeds`: opens the newest feed."""

    def __init__(self, feed: FakeFeed) -> None:
        self.feed = feed
        self.is_away = False
        self.opened = 0

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Feed]:
        self.opened += 1
        if self.is_away:
            raise StoreUnavailable("away")
        if self.feed.is_missing:
            raise FeedMissing("no feed")
        yield self.feed
