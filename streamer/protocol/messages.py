"""What a client may say, after reading: one value per frame type."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from streamer.jobs.model import Priority


class Mode(StrEnum):
    AUTO = "auto"  # the action's estimate decides
    INLINE = "inline"
    QUEUED = "queued"


@dataclass(frozen=True, slots=True)
class Options:
    priority: Priority = Priority.NORMAL
    delay_ms: int = 0
    mode: Mode = Mode.AUTO
    durable: bool = False  # keep the outcome in the inbox until it is acknowledged
    expires_in_ms: int | None = None  # after that an outcome is pointless


DEFAULT_OPTIONS = Options()


@dataclass(slots=True)
class Request:
    """Call an action. `request_id` is None where the client left it to the server."""

    request_id: str | None
    action: str
    payload: Any
    metadata: Mapping[str, Any] | None
    options: Options


@dataclass(slots=True)
class Cancel:
    request_id: str


@dataclass(slots=True)
class Ping:
    ping_id: str | int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """How much of a request a client has: the newest frame's number, and how many chunks."""

    request_id: str  # of a `subscribe`: the job id
    attempt: int = 0
    seq: int = 0
    chunks: int = 0


@dataclass(slots=True)
class Resume:
    """I was `connection_id`, and come back for the `n`-th time; of these requests I have this much."""

    connection_id: str | None
    n: int
    requests: Sequence[Seen]


@dataclass(slots=True)
class Subscribe:
    """Watch a job. `events`: the frame types that are wanted, None: all; an outcome comes in any case."""

    job_id: str
    seen: Seen
    events: frozenset[str] | None


@dataclass(slots=True)
class Unsubscribe:
    job_id: str


@dataclass(slots=True)
class Ack:
    """I have the outcome; take it off my inbox."""

    request_id: str


@dataclass(slots=True)
class Auth:
    """A fresh token for this connection."""

    token: str = field(repr=False)


Message = Request | Cancel | Ping | Resume | Subscribe | Unsubscribe | Ack | Auth
