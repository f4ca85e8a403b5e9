"""The contract of looking at the queue: what waits, what runs, and what a user has asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from streamer.jobs.dispatch import Candidate
from streamer.jobs.model import Job, Status
from streamer.store.admin import JobPage


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in a queue. `depth` counts ready jobs and due timers, exact up to 1,000 per shard."""

    depth: int
    oldest_created_ms: int | None


class Looking(Protocol):
    """The verbs of `RequestQueue` that change nothing."""

    async def ready(self, queue: str, shard: int, limit: int, *, after: str | None = None) -> Sequence[Candidate]:
        """The first ready jobs of a shard, best first. A hint: it may be late by a moment.

        `after`: the `sort` of a candidate, to read on behind it.
        """
        ...

    async def due(
        self, queue: str, shard: int, limit: int, *, after: str | None = None, within_ms: int = 0
    ) -> Sequence[Candidate]:
        """Delayed jobs and retries whose time has come, or comes so soon, the earliest first. A hint. `after`: as
        above."""
        ...

    async def count_waiting(self, queue: str, tenant: str, limit: int) -> int:
        """How many jobs of a tenant wait in a queue, delayed ones and retries included; counted up to `limit`.

        A hint. It reads what waits in the queue until it has found so many.
        """
        ...

    async def running(self, queue: str, session: str) -> Sequence[Job]:
        """The rows that this worker session owns, as of now."""
        ...

    async def dead_letters(self, queue: str, limit: int) -> Sequence[Job]:
        """FAILED jobs, of every shard, the earliest first."""
        ...

    async def backlog(self, queue: str) -> Backlog:
        """How much waits, and since when."""
        ...

    async def list_by_user(self, tenant: str, user: str, limit: int) -> Sequence[Job]:
        """The user's newest jobs first."""
        ...

    async def page_by_user(
        self, tenant: str, user: str, *, limit: int, status: Status | None = None, cursor: str | None = None
    ) -> JobPage:
        """At most `limit` of the user's jobs, the newest first, from behind the page that gave the cursor on. With a
        `status`, only those that have it now; as reading those costs the others too, a page may then be short of
        `limit`, or empty, and still have a cursor. A page without a cursor is the last one.

        Rows as of now, found by an index that may be late by a moment: a job that was submitted just before may be on
        no page. No job is on two pages. Raises InvalidMessage for a cursor that no page has given.
        """
        ...

    async def get_by_connection(self, connection: str, tenant: str, user: str) -> Sequence[Job]:
        """The unfinished jobs of this user (of the newest 100) that this connection listens to."""
        ...
