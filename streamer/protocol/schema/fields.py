"""The types that fields of frames have."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field

from streamer.errors import CODE
from streamer.jobs import ids
from streamer.protocol.codec import MAX_COUNT

RequestId = Annotated[
    str,
    Field(
        pattern=f"^{ids.CLIENT_ID.pattern}$",
        description="The id of a request: unique per user, chosen by the client or by the server.",
    ),
]
JobId = Annotated[str, Field(pattern=f"^{ids.CLIENT_ID.pattern}$", description="The id of a job.")]
ActionName = Annotated[str, Field(pattern=f"^{ids.ACTION.pattern}$", description="What is called.")]
ConnectionId = Annotated[str, Field(pattern=f"^{ids.CONNECTION_ID.pattern}$", description="The id of a connection.")]
Count = Annotated[int, Field(ge=0, le=MAX_COUNT)]
Attempt = Annotated[Count, Field(description="The run of the job, counted from 1; 0: none has begun.")]
Seq = Annotated[Count, Field(description="The number of the frame within its attempt.")]
Chunks = Annotated[Count, Field(description="How many chunks.")]
Percentage = Annotated[float, Field(ge=0, le=100, description="How far the request is.")]
UnixSeconds = Annotated[float, Field(description="Unix seconds.")]
JsonObject = dict[str, Any]
Metadata = Annotated[JsonObject, Field(description="What the handler says besides.")]
Code = Annotated[
    str,
    Field(pattern=f"^{CODE.pattern}$", description="A code of the protocol, or one of the action's own."),
]

CODES: Final = (
    "VALIDATION_ERROR",
    "INVALID_ACTION",
    "INVALID_MESSAGE",
    "NOT_FOUND",
    "UNAUTHORIZED",
    "FORBIDDEN",
    "RATE_LIMITED",
    "DUPLICATE_REQUEST",
    "PAYLOAD_TOO_LARGE",
    "CANCELLED",
    "INTERNAL_ERROR",
    "TIMEOUT",
    "SERVICE_UNAVAILABLE",
    "STORAGE_ERROR",
    "PROCESSING_FAILED",
    "RESULT_TOO_LARGE",
    "WORKER_LOST",
)
"""The error codes of the protocol; an action may add its own."""


class Shape(BaseModel):
    """An object on the wire: as strict as JSON, and open to fields of later versions."""

    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False)


class Retry(Shape):
    """Whether sending the same again may help."""

    retryable: bool
    after_ms: Annotated[int | None, Field(ge=0, description="Not before so many milliseconds; where `retryable`.")] = (
        None
    )


class Error(Shape):
    """Why there is no result."""

    code: Code
    message: Annotated[str, Field(description="For people.")]
    details: Annotated[
        JsonObject | None,
        Field(description="`errors` of a VALIDATION_ERROR; `error_id`, by which the log knows a fault."),
    ] = None
    retry: Retry
