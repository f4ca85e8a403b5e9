"""The values that a queued request is made of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

SCHEMA_VERSION: Final = 2
"""The newest version of the row layout. A worker claims rows of at most the version that it knows; a row has the
oldest version whose workers do right by it: 2 where it has a deadline, else 1."""
FIRST_VERSION: Final = 1

MAX_ROUTES: Final = 8
"""Connections that a row itself remembers; each costs the row about 40 bytes."""


class Status(StrEnum):
    PENDING = "PENDING"  # stored and acknowledged; no attempt is running
    PROCESSING = "PROCESSING"  # one attempt is running, in the worker session `owner`
    RETRYING = "RETRYING"  # an attempt failed; the next may start at `due_ms`
    COMPLETED = "COMPLETED"  # outcome: `result`
    FAILED = "FAILED"  # outcome: `error`; a dead letter
    CANCELLED = "CANCELLED"  # outcome: the client did not want it any more


TERMINAL: Final = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})
WAITING: Final = frozenset({Status.PENDING, Status.RETRYING})
ALIVE: Final = WAITING | {Status.PROCESSING}


class Priority(StrEnum):
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


@dataclass(frozen=True, slots=True)
class Aside:
    """Names a body that is too big for the row: `parts` immutable side items of this name."""

    name: str
    parts: int


Body = bytes | Aside
"""JSON bytes on the row, or the name under which they lie beside it."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request has no result. `retryable` informs the client; it does not run anything again."""

    code: str
    message: str
    details: Mapping[str, Any] | None = None
    retryable: bool = False


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an attempt is: the newest replaces the one before."""

    percentage: float
    message: str = ""
    metadata: Mapping[str, Any] | None = None
    chunks: int = 0  # pieces of output that come before it


@dataclass(frozen=True, slots=True)
class Kept:
    """What a checkpoint says: the output of this attempt stands, as far as its chunks have an index below `until`."""

    attempt: int
    until: int


@dataclass(frozen=True, slots=True)
class Entry:
    """The one place of a job in the queue index: a partition and a sort key (see `jobs.dispatch`)."""

    partition: str
    sort: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What a client asks to be queued; checked and validated."""

    tenant: str
    user: str
    client_id: str
    action: str
    payload: bytes  # JSON
    payload_hash: str
    start_within_ms: int  # without a start for so long after it may start, the job fails with TIMEOUT
    expires_in_ms: int | None = None  # without an outcome for so long after the submit, it fails with TIMEOUT
    queue: str = "default"
    metadata: Mapping[str, Any] | None = None
    priority: Priority = Priority.NORMAL
    delay_ms: int = 0
    max_retries: int = 0
    durable: bool = False
    connection: str | None = None  # who is listening
    redrive_of: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row. Times are Unix milliseconds; None means that it has not happened."""

    # who and what: written by submit, never changed
    job_id: str
    client_id: str  # the id that its user gave it, by which every frame of it is known to that user
    tenant: str
    user: str
    action: str
    queue: str
    payload: Body
    payload_hash: str
    created_ms: int
    submit_nonce: str
    metadata: Mapping[str, Any] | None = None
    virtual_time: int = 0  # place in the ready queue, in rounds: smaller is earlier
    max_retries: int = 0
    durable: bool = False  # the outcome waits in the user's inbox until acknowledged
    redrive_of: str | None = None  # the dead letter that this job runs again
    deadline_ms: int | None = None  # without an outcome by then, it fails with TIMEOUT
    version: int = FIRST_VERSION

    # where it stands: written by transitions
    status: Status = Status.PENDING
    attempt: int = 0  # runs so far, the fencing token; +1 at every claim, never less
    retry_count: int = 0  # failed or lost attempts, counted against max_retries
    owner: str | None = None  # worker session of the running attempt
    claim_nonce: str | None = None  # of the newest claim, to recognise one's own after a lost answer
    due_ms: int | None = None  # not to be claimed before
    start_by_ms: int | None = None  # without a start by then, it fails with TIMEOUT; None once it started
    started_ms: int | None = None  # first start
    ended_ms: int | None = None  # when the outcome was written
    expires_ms: int | None = None  # when the row may vanish; None until the outcome is written
    cancel_requested_ms: int | None = None
    redriven_as: str | None = None  # the job that runs this dead letter again
    entry: Entry | None = None  # place in the queue index; None once finished, except FAILED and not redriven

    # what came of it
    seq: int = 0  # newest frame number of this attempt that was persisted
    progress: Progress | None = None
    result: Body | None = None
    error: Failure | None = None
    chunks: int = 0  # pieces of output in all; 0 until the outcome of an attempt is written
    checkpoint: Body | None = None
    kept: tuple[Kept, ...] = ()  # output that later attempts continue; attempt and until grow from one to the next

    # who is listening
    routes: frozenset[str] = frozenset()  # connection ids, at most MAX_ROUTES
    watch_version: int = 0  # +1 when other watchers came or went

    unknown: Mapping[str, Any] = field(default_factory=dict, compare=False)  # attributes of a newer version

    @property
    def finished(self) -> bool:
        return self.status in TERMINAL

    @property
    def kept_chunks(self) -> int:
        """How many pieces of output the next attempt continues; the index of its first one."""
        return self.kept[-1].until if self.kept else 0

    def expired_at(self, now_ms: int) -> bool:
        """Whether it must not be started any more: its latest start or its deadline has come."""
        return any(limit is not None and limit <= now_ms for limit in (self.start_by_ms, self.deadline_ms))

    @property
    def retries_left(self) -> bool:
        return self.retry_count < self.max_retries
