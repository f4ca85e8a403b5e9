"""What an engine gives, of which `store.queue`, `store.log` and `store.inbox` make the contracts of `store.base`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from streamer.jobs.lifecycle import Transition
from streamer.jobs.model import Aside, Entry, Job

MAX_MS: Final = 1 << 53
"""After everything, in Unix milliseconds."""


class Made(NamedTuple):
    """Where a job stands among those of its user."""

    created_ms: int
    job_id: str


class Rows(Protocol):
    """Under `RequestQueue`: rows of jobs, the queue index, and what lies beside a row."""

    @property
    def user_shards(self) -> int:
        """In how many parts the index of a user's jobs lies."""
        ...

    async def insert(self, job: Job, now_ms: int) -> Job | None:
        """Puts the row unless there is one that has not expired by `now_ms`. None: done; else: that row."""
        ...

    async def update_status(self, job_id: str, transition: Transition) -> Job:
        """One atomic conditional write; returns the row after it. Raises Refused with the row before it."""
        ...

    async def read(self, job_ids: Collection[str]) -> Mapping[str, Job]:
        """Strong reads; expired rows included, missing ones left out."""
        ...

    async def entries(
        self,
        partition: str,
        *,
        limit: int,
        up_to: str | None = None,
        prefix: str | None = None,
        after: str | None = None,
    ) -> Sequence[tuple[str, Entry]]:
        """(job id, entry) of one index partition, by sort key, of all below `up_to`, or beginning with `prefix`.

        `after`: only those whose sort key is greater; not together with `prefix`.
        """
        ...

    async def count(self, partition: str, *, limit: int, up_to: str | None = None) -> int:
        """How many entries there are, counted up to `limit`."""
        ...

    async def newest(self, tenant: str, user: str, limit: int) -> Sequence[str]:
        """Ids of the user's jobs, newest first."""
        ...

    async def newest_in(
        self, shard: int, tenant: str, user: str, *, limit: int, after: Made | None = None, until_ms: int = MAX_MS
    ) -> Sequence[Made]:
        """The user's jobs of one part of that index, newest first, from behind a place on, whether that is still taken
        or not; else those that were made until then (Unix milliseconds). Less than `limit`: there are no more."""
        ...

    async def put_aside(self, job_id: str, name: str, parts: Sequence[bytes], expires_ms: int) -> None:
        """Stores immutable side items `name`#0 … of a job; the same name again has the same bytes."""
        ...

    async def get_aside(self, job_id: str, aside: Aside) -> Sequence[bytes] | None:
        """All parts in order; None where any is missing."""
        ...

    def fits(self, job: Job) -> bool:
        """Whether this row, with the bodies that it has inline, is small enough to be written often."""
        ...


class SideItems(Protocol):
    """Under `EventLog` and `Inbox`: items by partition and sort key."""

    async def put(self, partition: str, sort: str, body: bytes, expires_ms: int) -> None:
        """Puts an item, whatever was there."""
        ...

    async def between(self, partition: str, low: str, high: str, *, limit: int) -> Sequence[tuple[str, bytes]]:
        """(sort, body) of the first items with low <= sort <= high, by sort; strong; expired ones left out.

        At most `limit`; fewer than there are only where they come to more than 256 KiB.
        """
        ...

    async def delete(self, partition: str, sort: str) -> None:
        """Removes an item; not there: no effect."""
        ...
