"""What the server says, as models: each knows every field that `protocol.frames` writes."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from streamer.jobs.model import Status
from streamer.protocol.schema.client import type_of
from streamer.protocol.schema.fields import (
    Attempt,
    Chunks,
    ConnectionId,
    Count,
    Error,
    JobId,
    Metadata,
    Percentage,
    RequestId,
    Seq,
    Shape,
    UnixSeconds,
)

JobStatus = Annotated[Status, Field(strict=False, description="Where the job stands.")]
Ms = Annotated[int, Field(ge=0, description="Milliseconds.")]


class Said(Shape):
    """What every frame has."""

    timestamp: Annotated[UnixSeconds, Field(description="When it was made: Unix seconds.")]
    traceparent: Annotated[
        str | None,
        Field(pattern="^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$", description="W3C Trace Context."),
    ] = None


class AboutRequest(Said):
    """A frame about a request, by the id by which this connection knows it; a watcher's is the `job_id`."""

    request_id: RequestId


class AboutJob(AboutRequest):
    """A frame about a job. `(attempt, seq)` grows strictly on a connection."""

    job_id: JobId
    attempt: Attempt
    seq: Seq


class MaybeAboutJob(AboutRequest):
    """A frame about a request; about a job where it has the three others."""

    job_id: JobId | None = None
    attempt: Attempt | None = None
    seq: Seq | None = None


class ResponseFrame(AboutRequest):
    """An inline action answered."""

    type: Literal["response"]
    success: Literal[True]
    data: Annotated[Any, Field(description="What the action gave.")]
    metadata: Metadata | None = None


class AcknowledgmentFrame(AboutJob):
    """The job is stored; it will have an outcome."""

    type: Literal["acknowledgment"]
    attempt: Literal[0]
    seq: Literal[0]
    status: Literal["queued"]
    state: JobStatus
    message: Annotated[str, Field(description="For people.")]


class ProgressFrame(MaybeAboutJob):
    """State: a newer one replaces an older one."""

    type: Literal["progress"]
    percentage: Percentage
    message: Annotated[str, Field(description="What is being done.")]
    metadata: Metadata | None = None


class ChunkFrame(MaybeAboutJob):
    """A piece of output: in order, none missing."""

    type: Literal["chunk"]
    index: Annotated[Count, Field(description="0, 1, 2, …: none is skipped or repeated.")]
    data: Annotated[Any, Field(description="What the handler emitted.")]


class CompleteFrame(AboutJob):
    """The outcome; the last frame of the request."""

    type: Literal["complete"]
    success: Literal[True]
    result: Annotated[Any, Field(description="What the action gave.")]
    chunks: Annotated[Chunks, Field(description="How many chunks there are in all.")]


class ErrorFrame(Said):
    """`final`: the outcome of the request. Else a refusal of the frame that it answers; a running request of that id
    goes on. Without `request_id` where the frame could not be read."""

    type: Literal["error"]
    request_id: RequestId | None = None
    job_id: JobId | None = None
    attempt: Attempt | None = None
    seq: Seq | None = None
    success: Literal[False]
    error: Error
    final: bool


class PongFrame(Said):
    """The answer to a ping."""

    type: Literal["pong"]
    id: Annotated[int | str | None, Field(description="Of the ping.")] = None


class Limits(Shape):
    """What this connection may do."""

    message_bytes: Annotated[int, Field(ge=1, description="Of one inbound frame.")]
    in_flight: Annotated[int, Field(ge=1, description="Requests not yet answered or acknowledged.")]
    rate: Annotated[float, Field(ge=0, description="Messages a second; 0: no limit.")]
    user_rate: Annotated[
        float | None, Field(ge=0, description="Messages a second of all connections of the user; 0: no limit.")
    ] = None


class Reconnect(Shape):
    """The window of the first try after a loss without warning."""

    min_ms: Ms
    max_ms: Ms


class InboxEntry(Shape):
    """A finished request whose outcome waits for an `ack`."""

    request_id: RequestId
    job_id: JobId
    status: JobStatus


class WelcomeFrame(Said):
    """The first frame of a connection."""

    type: Literal["welcome"]
    connection_id: ConnectionId
    node_id: str
    heartbeat_ms: Annotated[Ms, Field(description="Ping when you heard nothing for so long.")]
    token_expires_at: UnixSeconds | None = None
    limits: Limits
    reconnect: Reconnect
    inbox: Annotated[list[InboxEntry] | None, Field(description="Absent where it could not be read.")] = None


class Standing(Shape):
    """Where a job stands."""

    job_id: JobId
    status: JobStatus
    attempt: Attempt
    seq: Seq


class ResumedRequest(Standing):
    """A request that the client named and that there is."""

    request_id: RequestId
    recovered: Annotated[bool, Field(description="false: chunks have expired; state and outcome are still right.")]


class ResumedFrame(Said):
    """The answer to `resume`; the missed frames follow."""

    type: Literal["resumed"]
    connection_id: ConnectionId
    requests: list[ResumedRequest]


class SubscribedFrame(Standing, Said):
    """The job is watched."""

    type: Literal["subscribed"]


class UnsubscribedFrame(Said):
    """The job is watched no more; only its id where nothing was watched."""

    type: Literal["unsubscribed"]
    job_id: JobId
    status: JobStatus | None = None
    attempt: Attempt | None = None
    seq: Seq | None = None


class CancellingFrame(AboutRequest):
    """The answer to `cancel`; of a finished request its outcome comes instead."""

    type: Literal["cancelling"]
    status: JobStatus


class AuthenticatedFrame(Said):
    """The answer to `auth`: the fresh token counts."""

    type: Literal["authenticated"]
    token_expires_at: UnixSeconds | None = None


class RetryingFrame(AboutJob):
    """That attempt is over; chunks from `continues_from` on are void."""

    type: Literal["retrying"]
    error: Error
    retry_at: Annotated[UnixSeconds, Field(description="The next attempt starts then at the earliest: Unix seconds.")]
    continues_from: Annotated[Count, Field(description="0: all chunks are void.")]


class TokenExpiringFrame(Said):
    """Send `auth` before then."""

    type: Literal["token_expiring"]
    expires_at: UnixSeconds


class DrainFrame(Said):
    """This node is leaving; reconnect in that window."""

    type: Literal["drain"]
    reason: str
    reconnect_after_ms: Annotated[list[Ms], Field(min_length=2, max_length=2, description="From and to, from now on.")]
    deadline_ms: Annotated[Ms, Field(description="Then the socket is closed.")]


PLAIN: Final[Sequence[type[Said]]] = (
    ResponseFrame,
    AcknowledgmentFrame,
    ProgressFrame,
    CompleteFrame,
    ErrorFrame,
    PongFrame,
)
"""All that a client which asked for no subprotocol is ever sent."""
SERVER_FRAMES: Final[Sequence[type[Said]]] = (
    *PLAIN,
    ChunkFrame,
    WelcomeFrame,
    ResumedFrame,
    SubscribedFrame,
    UnsubscribedFrame,
    CancellingFrame,
    AuthenticatedFrame,
    RetryingFrame,
    TokenExpiringFrame,
    DrainFrame,
)
SERVER_TYPES: Final = {type_of(model): model for model in SERVER_FRAMES}

ServerFrame = Annotated[
    ResponseFrame
    | AcknowledgmentFrame
    | ProgressFrame
    | CompleteFrame
    | ErrorFrame
    | PongFrame
    | ChunkFrame
    | WelcomeFrame
    | ResumedFrame
    | SubscribedFrame
    | UnsubscribedFrame
    | CancellingFrame
    | AuthenticatedFrame
    | RetryingFrame
    | TokenExpiringFrame
    | DrainFrame,
    Field(discriminator="type"),
]
"""Any frame of the server."""
