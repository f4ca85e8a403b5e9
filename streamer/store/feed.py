"""The feed of changes of jobs: what an engine that has one promises. SQLite has none."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Final, Protocol

from streamer.errors import StoreUnavailable
from streamer.jobs.model import Job

LATEST: Final = "LATEST"
"""The position after everything that is there when it is asked for."""
BEGINNING: Final = "BEGINNING"
"""The position before everything that is still kept (24 hours)."""


class Trimmed(Exception):
    """What comes after this position is no longer kept."""


class Expired(Exception):
    """The cursor is too old (15 minutes): ask for a new one by position."""


class FeedMissing(StoreUnavailable):
    """The feed, or this shard of it, is not there (any more): it was switched off, or made anew."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A part of a feed, in order by itself. `parent` must be read to its end first, where it is still listed."""

    shard_id: str
    parent: str | None
    is_closed: bool  # nothing is added any more; a parent may be listed as open although it has children


@dataclass(frozen=True, slots=True)
class Change:
    """One write to one row, as it was before and after. None: there was no row; it is gone."""

    position: str
    before: Job | None
    after: Job | None


@dataclass(frozen=True, slots=True)
class Page:
    """Some changes, and the cursor to what follows; None: the shard is closed and this was its end.

    `position` is that of the newest change, those that were left out included; None: there was none.
    """

    changes: Sequence[Change]
    cursor: str | None
    position: str | None = None


@dataclass(frozen=True, slots=True)
class Lease:
    """Who reads a shard, and how far it has come.

    `counter` grows with every change of hands and every checkpoint: whoever held it before finds that out.
    """

    shard_id: str
    owner: str | None  # a worker session; None: nobody
    counter: int
    position: str  # of the newest change that was handled; or LATEST, BEGINNING
    is_done: bool = False  # read to its end


class LeaseLost(Exception):
    """Somebody else holds it by now."""


class Feed(Protocol):
    """The feed as it is now; a feed that is made anew has another `feed_id`, and leases of its own.

    Every verb may raise StoreUnavailable.
    """

    feed_id: str

    async def shards(self) -> Sequence[Shard]:
        """All that are kept. Raises FeedMissing."""
        ...

    async def cursor(self, shard_id: str, position: str) -> str:
        """Where to read on, after `position` (LATEST, BEGINNING). Raises Trimmed, FeedMissing."""
        ...

    async def read(self, cursor: str) -> Page:
        """What follows, at most 1,000 changes. Changes of anything but jobs, and the deletions of expired rows, are
        left out. Raises Expired, Trimmed, FeedMissing."""
        ...

    async def leases(self) -> Sequence[Lease]:
        """All leases of this feed, as of now (strong reads)."""
        ...

    async def create_lease(self, shard_id: str, position: str) -> None:
        """An unowned lease, unless there is one."""
        ...

    async def take(self, lease: Lease, owner: str) -> Lease:
        """Becomes the owner of a lease as it was read. Of concurrent calls one succeeds. Raises LeaseLost."""
        ...

    async def checkpoint(self, lease: Lease, position: str, *, is_done: bool = False) -> Lease:
        """Notes how far its owner has come. Raises LeaseLost."""
        ...

    async def release(self, lease: Lease) -> None:
        """Gives it back at its position; somebody else's by now: no effect."""
        ...

    async def delete_lease(self, lease: Lease) -> None:
        """Removes the lease of a shard that is not listed any more; no effect where it has changed meanwhile."""
        ...


class Feeds(Protocol):
    """What opens the feed."""

    def open(self) -> AbstractAsyncContextManager[Feed]:
        """The feed of the table as it is now. Raises FeedMissing, StoreUnavailable."""
        ...
