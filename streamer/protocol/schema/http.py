"""What is said over HTTP beside frames, as models."""

from typing import Annotated, Any, Literal

from pydantic import Field

from streamer.protocol.schema.fields import (
    ActionName,
    Attempt,
    Chunks,
    Error,
    JobId,
    Percentage,
    RequestId,
    Seq,
    Shape,
    UnixSeconds,
)
from streamer.protocol.schema.server import JobStatus


class ListedRequest(Shape):
    """Where a request stands."""

    request_id: RequestId
    job_id: JobId
    action: ActionName
    status: JobStatus
    attempt: Attempt
    seq: Seq
    percentage: Percentage
    message: Annotated[str, Field(description="Of the newest progress.")]
    chunks: Annotated[Chunks, Field(description="How many pieces of output stand.")]
    created_at: UnixSeconds
    expires_at: Annotated[UnixSeconds | None, Field(description="When it may be forgotten.")] = None
    retry_at: Annotated[UnixSeconds | None, Field(description="When the next attempt may start.")] = None
    error: Annotated[Error | None, Field(description="Of one that has no result.")] = None


class RequestState(ListedRequest):
    """Where a request stands, and what came of it."""

    result: Annotated[Any, Field(description="Of a COMPLETED one.")] = None


class RequestList(Shape):
    """A page of the caller's requests, newest first."""

    requests: list[ListedRequest]
    cursor: Annotated[str | None, Field(description="Of the next page; null: this is the last.")]


class PresentUser(Shape):
    """A user with at least one connection."""

    user: str
    connections: Annotated[int, Field(ge=1)]
    since: Annotated[str, Field(description="When the oldest of them was made: RFC 3339.")]


class Presence(Shape):
    """Who of the tenant is connected."""

    tenant: str
    users: list[PresentUser]


class Alive(Shape):
    """The process answers."""

    status: Literal["alive"]


class Readiness(Shape):
    """Whether new connections should come here."""

    status: Literal["ready", "draining", "starting", "overloaded"]
