"""What is said over HTTP to operators, to the console, and of the caller, as models."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field

from streamer.protocol.schema.fields import (
    ActionName,
    Attempt,
    Chunks,
    Count,
    Error,
    JobId,
    JsonObject,
    Percentage,
    RequestId,
    Shape,
    UnixSeconds,
)
from streamer.protocol.schema.server import JobStatus

MAX_TTL_S: Final = 86_400
Seconds = Annotated[float, Field(ge=0, description="Seconds.")]
Name = Annotated[str, Field(min_length=1, max_length=256, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]


class Me(Shape):
    """Who the caller is, by its token."""

    user: str
    tenant: str
    permissions: list[str]
    expires_at: Annotated[UnixSeconds | None, Field(description="When the token ends; null: never.")]


class ListedAction(Shape):
    """An action that the caller may call."""

    name: ActionName
    description: str
    mode: Literal["inline", "queued", "auto"]
    permission: Annotated[str | None, Field(description="That it needs.")]
    payload: Annotated[JsonObject | None, Field(description="JSON Schema; null: anything.")]
    result: Annotated[JsonObject | None, Field(description="JSON Schema; null: anything.")]


class ActionList(Shape):
    """The actions that the caller may call, by name."""

    actions: list[ListedAction]


class TokenWish(Shape):
    """Who a token for development is to name."""

    user: Name
    tenant: Name
    permissions: Annotated[list[Annotated[str, Field(max_length=256)]], Field(max_length=100)]
    ttl_s: Annotated[int, Field(ge=1, le=MAX_TTL_S, description="How long it holds, in seconds.")] = 3_600


class IssuedToken(Shape):
    """A token for development."""

    token: str
    expires_at: UnixSeconds


class TenantDepth(Shape):
    """What waits of a tenant."""

    tenant: str
    waiting: Count
    oldest_age_s: Seconds


class QueueDepth(Shape):
    """How many jobs of a queue stand where."""

    queue: str
    waiting: Annotated[Count, Field(description="Ready to be claimed.")]
    running: Count
    delayed: Annotated[Count, Field(description="Delayed by their clients, or to be retried.")]
    dead: Annotated[Count, Field(description="Dead letters that are not redriven.")]
    is_exact: Annotated[bool, Field(description="Whether all were counted.")]
    oldest_age_s: Annotated[Seconds | None, Field(description="Of those that wait.")]
    tenants: list[TenantDepth]


class _Process(Shape):
    endpoint: str
    version: str
    draining: bool
    beat_age_s: Annotated[Seconds, Field(description="For how long its beat stands still.")]


class LivingNode(_Process):
    """A node."""

    node_id: str
    connections: Count


class LivingWorker(_Process):
    """A session of a worker."""

    worker_id: str
    process: Annotated[str, Field(description="Host name and process id.")]
    queues: list[str]
    slots: Count
    running: Count


class Overview(Shape):
    """The whole installation as of one moment."""

    at: UnixSeconds
    dead_after_s: Annotated[Seconds, Field(description="A beat that stands still for so long is a death.")]
    queues: list[QueueDepth]
    nodes: list[LivingNode]
    workers: list[LivingWorker]


class AdminJob(Shape):
    """A job, as operators see it."""

    job_id: JobId
    request_id: RequestId
    tenant: str
    user: str
    action: ActionName
    queue: str
    status: JobStatus
    attempt: Attempt
    percentage: Percentage
    message: Annotated[str, Field(description="Of the newest progress.")]
    chunks: Annotated[Chunks, Field(description="How many pieces of output stand.")]
    retry_count: Count
    worker: Annotated[str | None, Field(description="The session of the worker that runs it.")]
    created_at: UnixSeconds
    started_at: Annotated[UnixSeconds | None, Field(description="The first time.")]
    ready_at: Annotated[UnixSeconds | None, Field(description="Not to be started before.")]
    ended_at: UnixSeconds | None
    error: Error | None
    redriven_as: Annotated[JobId | None, Field(description="The job that runs this dead letter again.")]


class AdminJobList(Shape):
    """A page of jobs."""

    jobs: list[AdminJob]
    cursor: Annotated[str | None, Field(description="Of the next page; null: this is the last.")]


class Redriven(Shape):
    """The job that runs a dead letter again."""

    job_id: JobId


class Stopped(Shape):
    """What became of a job that is to end."""

    status: Annotated[Literal["CANCELLED", "CANCELLING", "COMPLETED", "FAILED"], Field(description="By now.")]


class AdminConnection(Shape):
    """A connection to a node that lives."""

    connection_id: str
    node_id: str
    tenant: str
    user: str
    connected_at: UnixSeconds
    source_ip: str
    user_agent: str


class AdminConnectionList(Shape):
    """The connections of a tenant, or one of its users, the oldest first."""

    connections: list[AdminConnection]


class QueuePoint(Shape):
    """A queue at one moment."""

    waiting: Count
    delayed: Count
    dead: Count
    oldest_age_s: Seconds | None


class Point(Shape):
    """One moment."""

    at: UnixSeconds
    nodes: Count
    workers: Count
    connections: Count
    running: Count
    queues: dict[str, QueuePoint]


class History(Shape):
    """The last fifteen minutes, as one node has seen them."""

    step_s: Annotated[int, Field(ge=1)]
    points: Annotated[list[Point], Field(description="The oldest first; a gap where the store was away.")]


MODELS: Final[tuple[Any, ...]] = (
    Me,
    ActionList,
    IssuedToken,
    Overview,
    AdminJob,
    AdminJobList,
    Redriven,
    Stopped,
    AdminConnectionList,
    History,
)
"""That are sent."""
