"""Frames as HTTP answers. Pure."""

import math
from collections.abc import Mapping
from typing import Any, Final

import orjson
from starlette.responses import Response

from app.handshake import Refused
from streamer.errors import StreamerError
from streamer.protocol import frames

STATUS: Final[Mapping[str, int]] = {
    "VALIDATION_ERROR": 400,
    "INVALID_MESSAGE": 400,
    "UNAUTHORIZED": 401,
    "FORBIDDEN": 403,
    "NOT_FOUND": 404,
    "INVALID_ACTION": 404,
    "DUPLICATE_REQUEST": 409,
    "CANCELLED": 409,
    "PAYLOAD_TOO_LARGE": 413,
    "RATE_LIMITED": 429,
    "SERVICE_UNAVAILABLE": 503,
    "STORAGE_ERROR": 503,
    "TIMEOUT": 504,
    "INTERNAL_ERROR": 500,
    "PROCESSING_FAILED": 500,
    "RESULT_TOO_LARGE": 500,
    "WORKER_LOST": 500,
}
"""Of the protocol's error codes."""
OF_ACTION: Final = 422
"""Of a code that an action has made up."""
PASSING: Final = frozenset({429, 503})
"""Who is told so is also told when to come again."""
HEADERS: Final = {"cache-control": "no-store"}


def of(status: int, body: bytes | str, headers: Mapping[str, str] | None = None) -> Response:
    """JSON that nobody keeps."""
    return Response(body, status, {**HEADERS, **(headers or {})}, media_type="application/json")


def of_value(value: Any) -> Response:
    return of(200, orjson.dumps(value, option=orjson.OPT_UTC_Z))


def of_error(frame: bytes | str) -> Response:
    """An `error` frame, under the status of its code."""
    error = orjson.loads(frame)["error"]
    status = STATUS.get(error["code"], OF_ACTION)
    headers = {}
    if status in PASSING:
        headers["retry-after"] = str(math.ceil(error["retry"].get("after_ms", frames.RETRY_AFTER_MS) / 1000))
    elif status == STATUS["UNAUTHORIZED"]:
        headers["www-authenticate"] = "Bearer"
    return of(status, frame, headers)


def refusal(error: StreamerError, request_id: str | None, now: float) -> Response:
    """Refuses a call as a frame is refused."""
    return of_error(frames.refusal(error, request_id, now))


def turned_away(refused: Refused, now: float) -> Response:
    """What the doorkeeper says of a caller."""
    answer = refusal(refused.error, None, now)
    answer.status_code = refused.status
    answer.headers.update(refused.headers)
    return answer
