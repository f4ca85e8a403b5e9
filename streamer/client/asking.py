"""The frames by which a client asks for something. Pure: each function gives one frame as JSON bytes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from streamer.client.submission import Submission

PING: Final = b'{"type":"ping"}'


def request(
    request_id: str,
    action: str,
    payload: Any,
    options: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None,
) -> bytes:
    """Raises TypeError if something is not JSON."""
    frame: dict[str, Any] = {"type": "request", "id": request_id, "action": action}
    optional = {"payload": payload, "options": options, "metadata": metadata}
    return orjson.dumps(frame | {name: value for name, value in optional.items() if value is not None})


def resume(submissions: Sequence[Submission], claim: tuple[str, int] | None = None) -> bytes:
    """Of these requests we have so much. `claim`: the connection that we were, and how often we came back."""
    frame: dict[str, Any] = {"type": "resume"}
    if claim is not None:
        frame["connection_id"], frame["n"] = claim
    entries = [{"request_id": each.request_id, **each.position.fields()} for each in submissions]
    return orjson.dumps(frame | {"requests": entries})


def subscribe(submission: Submission) -> bytes:
    """Watch a job, of which we have so much already."""
    frame = {"type": "subscribe", "job_id": submission.request_id, **submission.position.fields()}
    return orjson.dumps(frame if submission.wants is None else frame | {"events": list(submission.wants)})


def unsubscribe(job_id: str) -> bytes:
    return orjson.dumps({"type": "unsubscribe", "job_id": job_id})


def cancel(request_id: str) -> bytes:
    return orjson.dumps({"type": "cancel", "request_id": request_id})


def ack(request_id: str) -> bytes:
    return orjson.dumps({"type": "ack", "request_id": request_id})


def auth(token: str) -> bytes:
    """A fresh token for this connection."""
    return orjson.dumps({"type": "auth", "token": token})


def ping(ping_id: int) -> bytes:
    return orjson.dumps({"type": "ping", "id": ping_id})
