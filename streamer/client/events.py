"""What the server says about requests, as values: one class per frame type.

Frame types and fields that this version does not know are ignored; missing optional fields have defaults.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import orjson

from streamer.client.errors import RequestFailed

Frame = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something failed. `after_ms` says when to try again, where `retryable`."""

    code: str
    message: str = ""
    details: Mapping[str, Any] | None = None
    retryable: bool = False
    after_ms: int | None = None

    def as_exception(self) -> RequestFailed:
        return RequestFailed(
            self.code, self.message, details=self.details, retryable=self.retryable, after_ms=self.after_ms
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something about one request. `type` is the protocol's word, `timestamp` is the server's clock in Unix seconds.

    `job_id` is None and `(attempt, seq)` is (0, 0) where the request is not a job.
    """

    type: ClassVar[str]
    request_id: str
    timestamp: float = 0.0
    job_id: str | None = None
    attempt: int = 0
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledged(Event):
    """The job is stored and will have an outcome; `state` is where it stands (PENDING, PROCESSING, ...)."""

    type: ClassVar[str] = "acknowledgment"
    state: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgressEvent(Event):
    """How far the attempt is: 0 to 100. The newest replaces the one before."""

    type: ClassVar[str] = "progress"
    percentage: float
    message: str = ""
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk(Event):
    """A piece of output: the next one, whose number in the job is `index`, from 0 on."""

    type: ClassVar[str] = "chunk"
    index: int
    data: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying(Event):
    """This attempt is over; another may start at `retry_at` (Unix seconds).

    Chunks from `continues_from` on (0: all) are void; those of the next attempt take their place.
    """

    type: ClassVar[str] = "retrying"
    error: Problem
    retry_at: float = 0.0
    continues_from: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelling(Event):
    """The server heard the wish to cancel; `status` is where the request stood. The outcome follows."""

    type: ClassVar[str] = "cancelling"
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Response(Event):
    """Outcome of an inline action."""

    type: ClassVar[str] = "response"
    data: Any
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed(Event):
    """Outcome of a job that has a result."""

    type: ClassVar[str] = "complete"
    result: Any
    chunks: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """Outcome of a request that has no result; `final` is False where the server refused to take it at all."""

    type: ClassVar[str] = "error"
    error: Problem
    final: bool = True


Outcome = Response | Completed | Failed
"""The last event of a request."""


def read(text: bytes) -> Frame:
    """One frame as it came. ValueError if it is not a JSON object."""
    frame = orjson.loads(text)
    if not isinstance(frame, dict):
        raise ValueError("a frame is a JSON object")  # noqa: TRY004  # as a text that is no JSON at all
    return frame


def event(frame: Frame) -> Event | None:
    """The frame as an event, None if it is not about a request or of an unknown type."""
    reader = _READERS.get(str(frame.get("type")))
    return None if reader is None or "request_id" not in frame else reader(frame)


def problem(frame: Frame) -> Problem:
    """What is wrong, from the `error` of a frame."""
    body = frame.get("error") or {}
    retry = body.get("retry") or {}
    return Problem(
        code=body.get("code", "INTERNAL_ERROR"),
        message=body.get("message", ""),
        details=body.get("details"),
        retryable=retry.get("retryable", False),
        after_ms=retry.get("after_ms"),
    )


def _place(frame: Frame) -> dict[str, Any]:
    return {name: frame[name] for name in _PLACE if name in frame}


_PLACE: Final = ("request_id", "timestamp", "job_id", "attempt", "seq")


def _acknowledged(frame: Frame) -> Acknowledged:
    return Acknowledged(**_place(frame), state=frame.get("state", "PENDING"), message=frame.get("message", ""))


def _progress(frame: Frame) -> ProgressEvent:
    return ProgressEvent(
        **_place(frame),
        percentage=frame.get("percentage", 0.0),
        message=frame.get("message", ""),
        metadata=frame.get("metadata"),
    )


def _chunk(frame: Frame) -> Chunk:
    return Chunk(**_place(frame), index=frame.get("index", 0), data=frame.get("data"))


def _retrying(frame: Frame) -> Retrying:
    return Retrying(
        **_place(frame),
        error=problem(frame),
        retry_at=frame.get("retry_at", 0.0),
        continues_from=frame.get("continues_from", 0),
    )


def _cancelling(frame: Frame) -> Cancelling:
    return Cancelling(**_place(frame), status=frame.get("status", ""))


def _response(frame: Frame) -> Response:
    return Response(**_place(frame), data=frame.get("data"), metadata=frame.get("metadata"))


def _completed(frame: Frame) -> Completed:
    return Completed(**_place(frame), result=frame.get("result"), chunks=frame.get("chunks", 0))


def _failed(frame: Frame) -> Failed:
    return Failed(**_place(frame), error=problem(frame), final=frame.get("final", True))


_READERS: Final[Mapping[str, Callable[[Frame], Event]]] = {
    Acknowledged.type: _acknowledged,
    ProgressEvent.type: _progress,
    Chunk.type: _chunk,
    Retrying.type: _retrying,
    Cancelling.type: _cancelling,
    Response.type: _response,
    Completed.type: _completed,
    Failed.type: _failed,
}
