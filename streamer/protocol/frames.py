"""What the server says: each function gives one frame as JSON bytes. `now` is Unix seconds.

A frame about a job carries `job_id`, `attempt` and `seq`; `Place` holds the three with the id by which the
receiver knows the request.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from streamer.errors import StreamerError
from streamer.jobs.model import Failure, Job, Progress, Status

RETRY_AFTER_MS = 1_000
"""What a retryable error asks a client to wait where nothing better is known."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which request a frame stands."""

    request_id: str
    job_id: str
    attempt: int
    seq: int

    def fields(self) -> dict[str, Any]:
        return {
            "request_id": self.request_id,
            "job_id": self.job_id,
            "attempt": self.attempt,
            "seq": self.seq,
        }


# --- about a frame, or an inline request --------------------------------------------------------------------


def response(request_id: str, data: Any, now: float) -> bytes:
    """The answer of an inline action. `data` holds JSON values."""
    return orjson.dumps({"type": "response", "request_id": request_id, "success": True, "data": data, "timestamp": now})


def inline_progress(request_id: str, progress: Progress, now: float) -> bytes:
    """How far an inline request is: no job, so no place in one."""
    frame = {"type": "progress", "request_id": request_id, **_measure(progress), "timestamp": now}
    return orjson.dumps(frame)


def inline_chunk(request_id: str, index: int, data: bytes, now: float) -> bytes:
    """A piece of output of an inline request. `data` is JSON already and goes in as it is."""
    frame = {"type": "chunk", "request_id": request_id, "index": index, "data": orjson.Fragment(data), "timestamp": now}
    return orjson.dumps(frame)


def refusal(error: StreamerError, request_id: str | None, now: float, *, final: bool = False) -> bytes:
    """An `error` frame: a refusal of one frame, or with `final` the outcome of an inline request."""
    body = _error(Failure(error.code, error.message, error.details, error.retryable), error.after_ms)
    frame: dict[str, Any] = {"type": "error", "success": False, "error": body, "final": final, "timestamp": now}
    if request_id is not None:
        frame["request_id"] = request_id
    return orjson.dumps(frame)


def pong(ping_id: str | int | None, now: float) -> bytes:
    frame: dict[str, Any] = {"type": "pong", "timestamp": now}
    if ping_id is not None:
        frame["id"] = ping_id
    return orjson.dumps(frame)


# --- about a job --------------------------------------------------------------------------------------------


def acknowledgment(job: Job, now: float) -> bytes:
    """The job is stored. Its place is (0, 0), before everything else of the job."""
    place = Place(job.client_id, job.job_id, 0, 0)
    message = "Request queued." if job.attempt == 0 else "Request known."
    return _about(place, "acknowledgment", now, status="queued", state=job.status, message=message)


def progress(place: Place, progress: Progress, now: float) -> bytes:
    return _about(place, "progress", now, **_measure(progress))


def chunk(place: Place, index: int, data: bytes, now: float) -> bytes:
    """A piece of output. `data` is JSON already and goes in as it is."""
    return _about(place, "chunk", now, index=index, data=orjson.Fragment(data))


def as_known_by(frame: bytes, request_id: str) -> bytes:
    """A frame about a job under another request id: that by which its receiver knows the request.

    Such a frame begins with its type and its request id, and neither has a quote inside.
    """
    start = frame.index(_REQUEST_ID) + len(_REQUEST_ID)
    return frame[:start] + request_id.encode() + frame[frame.index(b'"', start) :]


_REQUEST_ID: Final = b'"request_id":"'


def complete(place: Place, result: bytes, chunks: int, now: float) -> bytes:
    """`result` is JSON already and goes in as it is."""
    return _about(place, "complete", now, success=True, result=orjson.Fragment(result), chunks=chunks)


def is_complete(frame: bytes) -> bool:
    """Whether an outcome frame is a `complete`; every frame here begins with its type."""
    return frame.startswith(b'{"type":"complete"')


def failed(place: Place, failure: Failure, now: float) -> bytes:
    """The outcome of a job that has no result."""
    return _about(place, "error", now, success=False, error=_error(failure, None), final=True)


def failure(failure: Failure) -> dict[str, Any]:
    """Why there is no result, as a state shows it."""
    return _error(failure, None)


def outcome(job: Job, result: bytes | None, now: float) -> bytes:
    """The outcome of a finished job, from its row; `result` is its loaded result where it is COMPLETED."""
    place = Place(job.client_id, job.job_id, job.attempt, job.seq)
    if job.status is Status.COMPLETED:
        return complete(place, b"null" if result is None else result, job.chunks, now)
    return failed(place, job.error or Failure("INTERNAL_ERROR", StreamerError.default), now)


# --- control, for streamer.v1 only --------------------------------------------------------------------------


def welcome(
    connection_id: str,
    node_id: str,
    now: float,
    *,
    heartbeat_ms: int,
    token_expires_at: float | None,
    limits: Mapping[str, int],
    reconnect_ms: tuple[int, int],
    inbox: Sequence[Mapping[str, Any]] | None = (),
) -> bytes:
    """`inbox` None: it could not be read; the frame then has none."""
    frame: dict[str, Any] = {
        "type": "welcome",
        "connection_id": connection_id,
        "node_id": node_id,
        "heartbeat_ms": heartbeat_ms,
        "limits": limits,
        "reconnect": {"min_ms": reconnect_ms[0], "max_ms": reconnect_ms[1]},
        "timestamp": now,
    }
    if inbox is not None:
        frame["inbox"] = list(inbox)
    if token_expires_at is not None:
        frame["token_expires_at"] = token_expires_at
    return orjson.dumps(frame)


def cancelling(job: Job, now: float) -> bytes:
    frame = {"type": "cancelling", "request_id": job.client_id, "status": job.status, "timestamp": now}
    return orjson.dumps(frame)


def stopping(request_id: str, now: float) -> bytes:
    """Like `cancelling`, of an inline request: no job, so the status of one that runs."""
    status = Status.PROCESSING
    return orjson.dumps({"type": "cancelling", "request_id": request_id, "status": status, "timestamp": now})


def inbox_entry(job: Job) -> dict[str, Any]:
    """A finished request, as `welcome` offers it."""
    return {"request_id": job.client_id, "job_id": job.job_id, "status": job.status}


def resumed(connection_id: str, jobs: Sequence[tuple[str, Job, bool]], now: float) -> bytes:
    """(request id, row, whether every chunk that is missing is still stored) of each request that there is."""
    requests = [{"request_id": name, **_standing(job), "recovered": recovered} for name, job, recovered in jobs]
    frame = {"type": "resumed", "connection_id": connection_id, "requests": requests, "timestamp": now}
    return orjson.dumps(frame)


def subscribed(job: Job, now: float) -> bytes:
    return orjson.dumps({"type": "subscribed", **_standing(job), "timestamp": now})


def unsubscribed(job_id: str, job: Job | None, now: float) -> bytes:
    """`job` None: there is nothing (any more) that was watched."""
    standing = {"job_id": job_id} if job is None else _standing(job)
    return orjson.dumps({"type": "unsubscribed", **standing, "timestamp": now})


def authenticated(expires: float | None, now: float) -> bytes:
    """The connection goes by its new token, which holds until `expires` (Unix seconds; None: for ever)."""
    frame: dict[str, Any] = {"type": "authenticated", "timestamp": now}
    if expires is not None:
        frame["token_expires_at"] = expires
    return orjson.dumps(frame)


def token_expiring(expires: float, now: float) -> bytes:
    return orjson.dumps({"type": "token_expiring", "expires_at": expires, "timestamp": now})


def drain(reason: str, reconnect_after_ms: tuple[int, int], deadline_ms: int, now: float) -> bytes:
    """Leave within this window, which counts from now; after `deadline_ms` the socket is closed."""
    window = list(reconnect_after_ms)
    fields = {"reason": reason, "reconnect_after_ms": window, "deadline_ms": deadline_ms}
    return orjson.dumps({"type": "drain", **fields, "timestamp": now})


def retrying(place: Place, failure: Failure, retry_at: float, now: float, *, continues_from: int = 0) -> bytes:
    """That attempt is over; another one may start at `retry_at` (Unix seconds)."""
    fields = {"error": _error(failure, None), "retry_at": retry_at, "continues_from": continues_from}
    return _about(place, "retrying", now, **fields)


def _standing(job: Job) -> dict[str, Any]:
    return {"job_id": job.job_id, "status": job.status, "attempt": job.attempt, "seq": job.seq}


def _about(place: Place, kind: str, now: float, **fields: Any) -> bytes:
    return orjson.dumps({"type": kind, **place.fields(), **fields, "timestamp": now})


def _measure(progress: Progress) -> dict[str, Any]:
    fields: dict[str, Any] = {"percentage": progress.percentage, "message": progress.message}
    if progress.metadata is not None:
        fields["metadata"] = progress.metadata
    return fields


def _error(failure: Failure, after_ms: int | None) -> dict[str, Any]:
    body: dict[str, Any] = {"code": failure.code, "message": failure.message}
    if failure.details is not None:
        body["details"] = failure.details
    retry: dict[str, Any] = {"retryable": failure.retryable}
    if failure.retryable:
        retry["after_ms"] = RETRY_AFTER_MS if after_ms is None else after_ms
    body["retry"] = retry
    return body
