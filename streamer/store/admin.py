"""The contract of what an operator does with stored jobs: lists them, runs dead letters again, deletes.

Its verbs may raise `StoreUnavailable` as those of `store.base` do, and may then be called again.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

from streamer.jobs.lifecycle import Guard
from streamer.jobs.model import Job


class Standing(StrEnum):
    """Where a job stands in the queue index."""

    RUNNING = "running"  # an attempt runs
    WAITING = "waiting"  # ready to be claimed
    DELAYED = "delayed"  # a timer: delayed by its client, or to be retried
    DEAD = "dead"  # failed, and not redriven


class Place(NamedTuple):
    """One entry within a partition of the queue index."""

    sort: str
    job_id: str


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some jobs in order. `cursor` asks for those behind them; None: there were no more."""

    jobs: Sequence[Job]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Waiting:
    """Jobs of one tenant that are ready to be claimed."""

    count: int
    oldest_created_ms: int


@dataclass(frozen=True, slots=True)
class Survey:
    """How many jobs of a queue stand where, and whose those are that wait.

    `is_exact`: no shard has more of them than were counted.
    """

    counts: Mapping[Standing, int]
    tenants: Mapping[str, Waiting]
    is_exact: bool

    @property
    def oldest_created_ms(self) -> int | None:
        """Of those that wait."""
        return min((waiting.oldest_created_ms for waiting in self.tenants.values()), default=None)


@dataclass(frozen=True, slots=True)
class Redrive:
    """What became of a dead letter: the job that runs it again, None where its payload, or itself, is gone."""

    dead: Job
    again: Job | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """How much was deleted: jobs, and by number of items what lay beside them, inboxes included."""

    jobs: int
    items: int
    watches: int  # subscriptions to jobs of others
    connections: int
    stopped: Sequence[Job]  # rows as they were while an attempt ran: its owner is to be told (`erase_beside`)


class Admin(Protocol):
    """What an operator may do, with no tenant's walls in the way."""

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
        """Jobs of a queue that stand there, of all shards, the next to be claimed, due or failed first; running ones
        by worker session. Rows as of now, found by an index that may be late by a moment.

        `max_looked`: about so many entries are looked at for those that are wanted; a page may then be short of
        `limit`, or empty, and still have a cursor.

        Raises ValueError for a cursor that did not come from here.
        """
        ...

    async def list_by_user(
        self, tenant: str, user: str, *, limit: int, standing: Standing | None = None, action: str | None = None
    ) -> Sequence[Job]:
        """A user's newest jobs first, finished ones included unless a `standing` is asked for."""
        ...

    async def count(self, queue: str) -> Mapping[Standing, int]:
        """How many stand where, exact up to 10,000 per shard. Reads every entry that it counts."""
        ...

    async def survey(self, queue: str) -> Survey:
        """How many stand where, by tenant where they wait, exact up to 1,000 per shard and standing. Reads every entry
        that it counts."""
        ...

    def redrive_all(self, queue: str, action: str) -> AsyncIterator[Redrive]:
        """Redrives the dead letters of an action, the earliest first, one after the other.

        Those that fail again meanwhile are left alone. Interrupted, it goes on with the next call.
        """
        ...

    async def purge(self, job_id: str) -> Job:
        """Deletes a dead letter and everything beside it; returns its row. Raises NotFound where there is none."""
        ...

    def purge_all(self, queue: str, *, ended_before_ms: int, action: str | None = None) -> AsyncIterator[Job]:
        """Purges the listed dead letters that failed before that time, the earliest first, one after the other."""
        ...

    async def erase(self, tenant: str, user: str | None = None) -> Erased:
        """Deletes everything of a user, or of a whole tenant: jobs in any state and what lies beside them, inboxes,
        subscriptions, rows of connections.

        An attempt that runs is fenced: nothing that it says is stored on a row any more. Interrupted, or while the
        user goes on to submit, the next call deletes the rest.
        """
        ...

    async def erase_beside(self, jobs: Sequence[Job]) -> int:
        """Deletes what attempts have left beside rows that were erased; to be called once these have stopped."""
        ...


class AdminRows(Protocol):
    """Under `Admin`: what an engine gives beside its `Rows`."""

    async def page(self, partition: str, *, limit: int, after: Place | None = None) -> Sequence[Place]:
        """The next entries of an index partition, in an order in which sort keys never shrink; none is left out, and
        none comes twice, also where sort keys are equal."""
        ...

    async def delete_row(self, job_id: str, guard: Guard) -> Job | None:
        """Deletes the row if the guard holds, and returns it; None: it does not, or there is no row."""
        ...

    async def delete_beside(self, partition: str) -> int:
        """Deletes what lies beside a row: bodies, output, subscriptions to it; of an inbox: its entries. How many."""
        ...

    def jobs_of(self, tenant: str, user: str | None) -> AsyncIterator[Sequence[Job]]:
        """The rows of a user, or of all of the tenant, expired ones included, some at a time."""
        ...

    async def delete_watches(self, tenant: str, user: str | None) -> int:
        """Deletes the subscriptions that connections of a user, or of the tenant, have. How many."""
        ...
