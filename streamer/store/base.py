"""The storage contracts. What an engine does that these promises do not name does not exist.

Every verb may raise `StoreUnavailable`: the store did not answer in time, and a write may or may not have been
applied. Calling the same verb again with the same arguments is then always safe.
"""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol

from streamer.jobs.lifecycle import Transition
from streamer.jobs.model import Body, Failure, Job, Priority, Progress, Submission
from streamer.store.admin import Admin
from streamer.store.feed import Feeds
from streamer.store.looking import Looking
from streamer.store.revocations import RevocationStore


class Refused(Exception):
    """A guard did not hold. `job` is the row as it was at that moment, None where there is none."""

    def __init__(self, transition: str, job: Job | None) -> None:
        super().__init__(f"{transition} refused in {job.status if job else 'no row'}")
        self.job = job


class RoutesFull(Exception):
    """The row already remembers as many connections as it can; `job` is that row."""

    def __init__(self, job: Job) -> None:
        super().__init__(f"{job.job_id} has {len(job.routes)} connections")
        self.job = job


@dataclass(frozen=True, slots=True)
class Enqueued:
    """`created` is False where the same request was there before; `job` is then that one."""

    job: Job
    created: bool


class RequestQueue(Looking, Protocol):
    """Jobs. Each verb that changes one is a single atomic, conditional write on its row.

    `job` arguments are rows as an earlier verb returned them; their `attempt` is the fence.
    """

    async def enqueue(self, submission: Submission) -> Enqueued:
        """Stores a job, once per (tenant, user, client id).

        When this returns, the job is durable and will have an outcome. Of concurrent calls exactly one creates.
        The inbox entry of a `durable` one is there before the row.
        The same action and payload again: `submission.connection` is attached and the present row returned.
        Raises DuplicateRequest for another action or payload, RoutesFull, PayloadTooLarge.
        """
        ...

    async def get(self, job_id: str) -> Job | None:
        """The row as of now (a strong read); None where there is none or its time to live is over."""
        ...

    async def get_many(self, job_ids: Collection[str]) -> Mapping[str, Job]:
        """The rows that exist, by id; strong reads, in any number."""
        ...

    async def load(self, job: Job, body: Body) -> bytes:
        """The bytes of the job's payload, result or checkpoint, wherever they are kept. Raises NotFound."""
        ...

    async def update_status(self, job_id: str, transition: Transition) -> Job:
        """Applies one transition; the primitive under every verb below. Raises Refused."""
        ...

    # an attempt

    async def claim(self, job_id: str, queue: str, session: str) -> Job | None:
        """Starts the next attempt: attempt + 1, PROCESSING, owned by `session`.

        Of concurrent claims exactly one gets the job. A job that should have started long ago, or whose deadline has
        come, is failed with TIMEOUT and that row returned (its status tells): the outcome is the caller's to send.
        None: not to be had.
        """
        ...

    async def save_progress(self, job: Job, progress: Progress, seq: int) -> Job:
        """Keeps the newest progress; the returned row shows routes and a requested cancel. Raises Fenced."""
        ...

    async def save_checkpoint(self, job: Job, state: bytes, seq: int, *, chunks: int = 0) -> Job:
        """Keeps JSON from which the next attempt starts; it continues the output from chunk `chunks` on.

        All chunks below that are in the event log before this is called. Raises Fenced, PayloadTooLarge (over 1 MiB).
        """
        ...

    async def complete(self, job: Job, result: bytes, seq: int, *, chunks: int = 0) -> Job:
        """COMPLETED with this JSON result. Returns the row with the outcome of this attempt. Raises Fenced,
        ResultTooLarge (over 1 MiB). `chunks`, here and below: how many pieces of output are in the event log."""
        ...

    async def retry(self, job: Job, error: Failure, seq: int, due_ms: int, *, chunks: int = 0) -> Job:
        """RETRYING until `due_ms`; FAILED where no retries are left, or the deadline comes first; CANCELLED where that
        was requested.

        Raises Fenced.
        """
        ...

    async def fail(self, job: Job, error: Failure, seq: int, *, chunks: int = 0) -> Job:
        """FAILED, a dead letter. Returns the row with the outcome of this attempt. Raises Fenced."""
        ...

    async def cancelled(self, job: Job, seq: int, *, chunks: int = 0) -> Job:
        """CANCELLED, after a requested cancel stopped the attempt. Raises Fenced."""
        ...

    async def release(self, job: Job) -> Job:
        """Back to PENDING at its old place, at no cost of a retry; CANCELLED where requested. Raises Fenced."""
        ...

    async def lost(self, job: Job) -> Job:
        """Back to PENDING, one retry less, because the owner of `job` is dead.

        FAILED with WORKER_LOST where none is left, CANCELLED where requested. Raises Fenced if the attempt had
        ended otherwise.
        """
        ...

    # the client

    async def cancel(self, tenant: str, user: str, client_id: str) -> Job:
        """CANCELLED where it waited; else the row, with a requested cancel, or with the outcome it already has.

        Raises NotFound for an unknown or foreign request.
        """
        ...

    async def attach(self, job_id: str, tenant: str, user: str, connection: str) -> Job:
        """Adds a connection to the routes of an unfinished job. The returned row is the newest, or the outcome.

        Raises NotFound, RoutesFull.
        """
        ...

    async def reroute(self, job: Job, routes: frozenset[str]) -> Job:
        """Replaces the routes if they are still those of `job`, else returns the newest row as it is."""
        ...

    async def watched(self, job: Job) -> Job:
        """Adds 1 to the row's `watch_version`: subscriptions to it changed. The returned row is the newest, or the
        outcome. Raises NotFound."""
        ...

    async def redrive(self, job_id: str) -> Job:
        """Submits a dead letter as a new job and notes it on the old row; again: the same new job.

        Raises NotFound where there is no dead letter of this id.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A client's place to receive."""

    connection_id: str
    node_id: str  # the node that holds its socket
    tenant: str
    user: str
    connected_ms: int
    last_ping_ms: int
    reconnects: int = 0  # how often its client came back; grows from binding to binding
    source_ip: str = ""
    user_agent: str = ""


class StaleBinding(Exception):
    """The connection is bound by somebody else, or was bound later than this."""


class ConnectionStore(Protocol):
    """Who is connected, and to which node. A row lives at most a day after its last ping."""

    async def save(self, connection: Connection) -> None:
        """Puts the row of a connection that is bound to its node. Nothing happens where another node, or a later
        binding, has it by now: a process that stood still for a while steals nothing."""
        ...

    async def rebind(self, connection: Connection) -> Connection | None:
        """Binds a connection that was elsewhere: one atomic write in place of the row of an earlier binding, which is
        returned; None where there is no row (any more).

        Raises StaleBinding where the row is of another user or tenant, or has as many reconnects or more. The same
        call again (same node, same reconnects) succeeds: its answer may have been lost.
        """
        ...

    async def get(self, connection_id: str) -> Connection | None:
        """The row as of now (a strong read)."""
        ...

    async def get_many(self, connection_ids: Collection[str]) -> Mapping[str, Connection]:
        """The rows that exist, by id; strong reads."""
        ...

    async def delete(self, bindings: Mapping[str, int], node_id: str) -> None:
        """Removes those of the rows (connection id -> reconnects) that are still bound to this node, and not later."""
        ...

    async def update_last_ping(self, connection_id: str, node_id: str, now_ms: int) -> None:
        """Notes that the connection lives; nothing happens where the row is gone or on another node."""
        ...

    async def list_by_user(self, tenant: str, user: str) -> Sequence[Connection]:
        """A user's connections; may be late by a moment."""
        ...

    async def list_by_tenant(self, tenant: str) -> Sequence[Connection]:
        """A tenant's connections; may be late by a moment."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A connection that watches a job beside those that the row names."""

    job_id: str
    connection_id: str
    tenant: str
    user: str  # of the connection
    expires_ms: int


class SubscriptionStore(Protocol):
    """Who watches which job. Whoever changes it calls `RequestQueue.watched` afterwards."""

    async def subscribe(self, subscription: Subscription) -> None:
        """Puts the row, whatever was there."""
        ...

    async def unsubscribe(self, job_id: str, connection_ids: Collection[str]) -> None:
        """Removes the rows of these connections; missing ones are no error."""
        ...

    async def list_by_request(self, job_id: str) -> Sequence[Subscription]:
        """All watchers of a job, as of now (a strong read); expired rows left out."""
        ...


@dataclass(frozen=True, slots=True)
class Chunk:
    """One piece of output as it was numbered by its attempt; `data` is JSON."""

    index: int
    attempt: int
    seq: int
    data: bytes


class EventLog(Protocol):
    """The output of jobs, in pieces. Kept for the time to live of outcomes, counted from its own write."""

    async def append_events(self, job: Job, chunks: Sequence[Chunk]) -> None:
        """Stores consecutive chunks of the running attempt. Durable, all of them, when this returns.

        Not fenced: what a zombie appends lies under its own attempt, where nobody reads. A call without an answer
        must be made again with the same chunks, before the next ones.
        """
        ...

    async def read_events(self, job: Job, start: int) -> Sequence[Chunk]:
        """The next page (strong read, about 64 KB) of the chunks that stand by this row, from index `start` on.

        Consecutive, though the first may come later than `start` where older ones have expired. Empty: no more are
        stored, as yet.
        """
        ...


class Inbox(Protocol):
    """Durable requests of a user, from before they are stored until their outcome is acknowledged."""

    async def add(self, tenant: str, user: str, job_id: str) -> None:
        """Notes a request; again: no effect."""
        ...

    async def list(self, tenant: str, user: str, limit: int) -> Sequence[str]:
        """Job ids, finished or not, or never stored; a strong read."""
        ...

    async def remove(self, tenant: str, user: str, job_id: str) -> None:
        """Takes it off; not there: no effect."""
        ...


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One process as it last said. `beat` counts up while it lives; `info` is its own account of itself."""

    kind: str  # "app" or "worker"
    node_id: str
    beat: int
    info: Mapping[str, Any] = field(default_factory=dict)


class NodeRegistry(Protocol):
    """Which processes live. Nobody compares clocks: a reader watches `beat` change."""

    async def beat(self, kind: str, node_id: str, info: Mapping[str, Any]) -> int:
        """Adds 1 to the counter, replaces `info`; makes the row where there is none. Returns the counter."""
        ...

    async def list(self, kind: str) -> Sequence[NodeRow]:
        """All rows of a kind, as of now (a strong read)."""
        ...

    async def remove(self, kind: str, node_id: str, *, beat: int | None = None) -> None:
        """Removes the row; with `beat`, only if the counter still stands there."""
        ...


class Turnstile(Protocol):
    """Gives jobs their places in their queues (see `jobs.fairness`); fed by whoever reads the registry of workers."""

    async def next(self, queue: str, tenant: str, priority: Priority, *, is_counted: bool = True) -> int:
        """The virtual time of a job that is submitted now; `is_counted`: it is ready, so the next one of its tenant
        comes after it. The first call for a queue may read the registry."""
        ...

    def served(self, queue: str, virtual_time: int) -> None:
        """A job of this place was started."""
        ...

    def learn(self, info: Mapping[str, Any]) -> None:
        """Takes in what a worker's row says (`NodeRow.info`)."""
        ...

    def told(self) -> Mapping[str, Any]:
        """What a worker puts into its own row, for the others to learn."""
        ...

    async def save(self) -> None:
        """Keeps how far the queues have come, for a time without workers; costs a write per queue that moved."""
        ...


class Store(Protocol):
    """An open store. Opened once per process, closed by its context manager."""

    requests: RequestQueue
    turns: Turnstile
    feeds: Feeds | None  # None: this engine tells nobody of its changes
    connections: ConnectionStore
    subscriptions: SubscriptionStore
    events: EventLog
    inbox: Inbox
    nodes: NodeRegistry
    revocations: RevocationStore
    admin: Admin

    @property
    def clock_offset_s(self) -> float | None:
        """By how many seconds our wall clock is certainly ahead of the store's, negative: behind; 0 where it may be
        right, None where there is nothing to compare."""
        ...

    async def check(self) -> None:
        """Raises StoreUnavailable, in a sentence, where tables are missing or nobody answers."""
        ...

    async def create(self) -> None:
        """Makes what is missing of tables and indexes; does nothing to what is there."""
        ...


OpenStore = AbstractAsyncContextManager[Store]


Observer = Callable[[str, float, BaseException | None], None]
"""Told of every call to the engine: verb, seconds, and the error if there was one."""


def now_ms() -> int:
    """The wall clock in Unix milliseconds: for times that are stored, never for liveness."""
    return time.time_ns() // 1_000_000
