"""What the operations of the OpenAPI document are made of."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from streamer.contract.schemas import Schema, ref

Json = dict[str, Any]

_RETRY_AFTER: Final[Json] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
ERRORS: Final[Mapping[int, str]] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    409: "Conflict",
    413: "TooLarge",
    422: "Unprocessable",
    429: "TooManyRequests",
    500: "ServerError",
    503: "Unavailable",
    504: "Timeout",
}
_SAID: Final[Mapping[int, str]] = {
    400: "INVALID_MESSAGE or VALIDATION_ERROR",
    401: "UNAUTHORIZED: no token, or one that does not hold",
    403: "FORBIDDEN: the caller is known and may not do this",
    404: "NOT_FOUND or INVALID_ACTION: unknown, or somebody else's",
    409: "DUPLICATE_REQUEST, or CANCELLED",
    413: "PAYLOAD_TOO_LARGE",
    422: "The action's own code",
    429: "RATE_LIMITED",
    500: "INTERNAL_ERROR, PROCESSING_FAILED, RESULT_TOO_LARGE or WORKER_LOST",
    503: "SERVICE_UNAVAILABLE or STORAGE_ERROR",
    504: "TIMEOUT",
}
AUTH: Final = (401, 403)
BUSY: Final = (429, 500, 503)


def operation(
    name: str,
    summary: str,
    answers: Mapping[int, Json],
    refusals: Sequence[int],
    parameters: Sequence[str] = (),
    **more: Any,
) -> Json:
    refused = {status: {"$ref": f"#/components/responses/{ERRORS[status]}"} for status in refusals}
    responses = {str(status): answer for status, answer in {**answers, **refused}.items()}
    described = {"operationId": name, "summary": summary, "responses": responses, **more}
    return described | ({"parameters": [param(each) for each in parameters]} if parameters else {})


def answer(description: str, schema: Schema, headers: Json | None = None) -> Json:
    described = {"description": description, "content": json_body(schema)}
    return described | ({"headers": headers} if headers else {})


def error(status: int) -> Json:
    headers = {401: header("WWW-Authenticate"), 429: _RETRY_AFTER, 503: _RETRY_AFTER}.get(status)
    return answer(_SAID[status], ref("ErrorFrame"), headers)


def json_body(schema: Schema) -> Json:
    return {"application/json": {"schema": schema}}


def param(name: str) -> Json:
    return {"$ref": f"#/components/parameters/{name}"}


def header(name: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"}}
