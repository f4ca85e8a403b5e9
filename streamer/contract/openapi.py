"""The HTTP API as an OpenAPI 3.1 document."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from streamer.contract.asyncapi import call_schema
from streamer.contract.schemas import Schema, Schemas, bodies, facts, ref
from streamer.definitions import Action
from streamer.jobs import ids
from streamer.jobs.model import Status
from streamer.protocol import schema as protocol
from streamer.protocol.schema import http
from streamer.registry import Registry

Json = dict[str, Any]

_MODELS: Final = (http.RequestState, http.RequestList, http.Presence, http.Alive, http.Readiness)
_EVENTS: Final = ("acknowledgment", "progress", "chunk", "retrying", "complete", "error")
_EVENT_ID: Final = r"^[0-9]+\.[0-9]+\.[0-9]+$"
_RETRY_AFTER: Final[Json] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}


def document(registry: Registry) -> Json:
    """The contract of these actions over HTTP. The same for the same actions, in whatever order they were declared."""
    schemas = Schemas()
    schemas.add_models(protocol.SERVER_FRAMES, "serialization")
    schemas.add_models([protocol.RequestFrame], "validation")
    schemas.add_models(_MODELS, "serialization")
    calls = [_Call(schemas, registry.get(name)) for name in sorted(registry.names())]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Streamer", "version": "1", "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": {
            "/v1/requests": {"post": _submit(calls), "get": _list()},
            "/v1/requests/{id}": {"parameters": [_param("id")], "get": _state(), "delete": _cancel()},
            "/v1/requests/{id}/events": {"parameters": [_param("id")], "get": _follow()},
            "/v1/presence": {"get": _presence()},
            "/livez": {"get": _open("Whether the process answers", "Alive", 200)},
            "/readyz": {"get": _open("Whether new connections should come here", "Readiness", 200, 503)},
            **{f"/{kind}.json": {"get": _contract(kind)} for kind in ("asyncapi", "openapi")},
        },
        "components": {
            "schemas": schemas.named,
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "responses": {name: _error(status) for status, name in _ERRORS.items()},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


_ABOUT: Final = "Requests as on the socket: the same frames, ids and guarantees. Every refusal is an `error` frame."
_PARAMETERS: Final[Mapping[str, Json]] = {
    "id": {
        "name": "id",
        "in": "path",
        "required": True,
        "description": "The caller's id of the request, or the job's; of somebody else's job of the same tenant only "
        "with the permission `requests:watch`.",
        "schema": {"type": "string", "pattern": f"^{ids.CLIENT_ID.pattern}$"},
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The `id` of the frame, where that has none; two that differ are refused.",
        "schema": {"type": "string", "pattern": f"^{ids.CLIENT_ID.pattern}$"},
    },
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "description": "RFC 7240. `respond-async`: as a job, where `options.mode` does not say. `wait=N`: the outcome "
        "of a job, where it comes within N seconds, at most 60.",
        "schema": {"type": "string"},
        "examples": {"async": {"value": "respond-async"}, "wait": {"value": "wait=10"}},
    },
    "Last-Event-ID": {
        "name": "Last-Event-ID",
        "in": "header",
        "description": "The `id` of the last event that came: `<attempt>.<seq>.<chunks>`. All after it comes.",
        "schema": {"type": "string", "pattern": _EVENT_ID},
    },
    "status": {
        "name": "status",
        "in": "query",
        "description": "Only those that stand there.",
        "schema": {"type": "string", "enum": [status.value for status in Status]},
    },
    "limit": {
        "name": "limit",
        "in": "query",
        "description": "So many at most.",
        "schema": {"type": "integer", "minimum": 1, "maximum": 100, "default": 20},
    },
    "cursor": {
        "name": "cursor",
        "in": "query",
        "description": "Of the page before.",
        "schema": {"type": "string"},
    },
    "user": {
        "name": "user",
        "in": "query",
        "description": "Only that user, as of now.",
        "schema": {"type": "string"},
    },
    "If-None-Match": {
        "name": "If-None-Match",
        "in": "header",
        "description": "The `ETag` of the copy at hand.",
        "schema": {"type": "string"},
    },
}
_HEADERS: Final[Mapping[str, Json]] = {
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 0}},
    "Location": {"description": "Where the request's state is.", "schema": {"type": "string"}},
    "Preference-Applied": {"description": "What of `Prefer` was done.", "schema": {"type": "string"}},
    "WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}},
    "ETag": {"description": "Names this version of the document.", "schema": {"type": "string"}},
}
_ERRORS: Final[Mapping[int, str]] = {
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
_AUTH: Final = (401, 403)
_BUSY: Final = (429, 500, 503)


class _Call:
    """One action: what calls it and what it gives."""

    def __init__(self, schemas: Schemas, action: Action) -> None:
        named = bodies(schemas, action)
        self.action = action.name
        self.name = f"{action.name}.call"
        self.result = named.result
        schema = call_schema(schemas, action, named) | {**facts(action), "title": f"Call {action.name}"}
        schemas.named[self.name] = schema | ({"description": action.handler.about} if action.handler.about else {})


# --- calls --------------------------------------------------------------------------------------------------


def _submit(calls: Sequence[_Call]) -> Json:
    mapping = {call.action: ref(call.name)["$ref"] for call in calls}
    body: Schema = {
        "oneOf": [ref(call.name) for call in calls],
        "discriminator": {"propertyName": "action", "mapping": mapping},
    }
    applied = {"Preference-Applied": {"$ref": "#/components/headers/Preference-Applied"}}
    answered = {"anyOf": [ref("ResponseFrame"), ref("CompleteFrame")]}
    stored = _answer("The job is stored", ref("AcknowledgmentFrame"), applied | _header("Location"))
    stored["links"] = {name: {"operationId": name, "parameters": {"id": "$response.body#/job_id"}} for name in _LINKED}
    return _operation(
        "submit",
        "Call an action",
        {200: _answer("The answer, or the outcome that was waited for", answered, applied), 202: stored},
        (400, *_AUTH, 404, 409, 413, 422, *_BUSY, 504),
        parameters=["Idempotency-Key", "Prefer"],
        requestBody={"required": True, "content": _json(body)},
        **{"x-streamer-results": {call.action: call.result for call in calls}},
    )


_LINKED: Final = ("state", "follow", "cancel")


def _list() -> Json:
    answers = {200: _answer("A page, newest first", ref("RequestList"))}
    return _operation(
        "list",
        "The caller's requests",
        answers,
        (400, *_AUTH, *_BUSY),
        parameters=["status", "limit", "cursor"],
    )


def _state() -> Json:
    answers = {200: _answer("Where it stands, and what came of it", ref("RequestState"))}
    return _operation("state", "One request", answers, (400, *_AUTH, 404, *_BUSY))


def _cancel() -> Json:
    outcome = {"anyOf": [ref("ResponseFrame"), ref("CompleteFrame"), ref("ErrorFrame")]}
    answers = {
        200: _answer("It has ended: its outcome", outcome),
        202: _answer("It will end", ref("CancellingFrame")),
    }
    return _operation("cancel", "Stop a request, waiting or running", answers, (400, *_AUTH, 404, *_BUSY))


def _follow() -> Json:
    said = (
        "Server-Sent Events, one for each frame: `event` is its type, `data` the frame, `id` "
        "`<attempt>.<seq>.<chunks>`. Ends after the outcome; a comment every 15 s keeps it open."
    )
    events = {kind: ref(protocol.SERVER_TYPES[kind].__name__) for kind in _EVENTS}
    stream = {"schema": _event(list(events.values())), "x-streamer-events": events}
    answers: dict[int, Json] = {
        200: {"description": said, "content": {"text/event-stream": stream}},
        204: {"description": "Nothing comes after that event."},
    }
    return _operation(
        "follow",
        "Its frames as they come",
        answers,
        (400, *_AUTH, 404, *_BUSY),
        parameters=["Last-Event-ID"],
    )


def _event(frames: Sequence[Schema]) -> Schema:
    """One event of the stream, as a reader of such streams hands it out."""
    data = {"type": "string", "contentMediaType": "application/json", "contentSchema": {"anyOf": list(frames)}}
    return {
        "type": "object",
        "description": "Each event.",
        "properties": {
            "event": {"type": "string", "enum": list(_EVENTS)},
            "id": {"type": "string", "pattern": _EVENT_ID},
            "data": data,
        },
        "required": ["data", "event", "id"],
    }


def _presence() -> Json:
    answers = {200: _answer("Sorted by user", ref("Presence"))}
    about = "Who of the caller's tenant is connected; needs the permission `presence:read`"
    return _operation("presence", about, answers, (*_AUTH, *_BUSY), parameters=["user"])


def _contract(kind: str) -> Json:
    """Refused only where the service says its contract to callers alone."""
    answers = {200: _answer("The document", {"type": "object"}, _header("ETag")), 304: {"description": "As before."}}
    about = f"This service's contract as {'AsyncAPI' if kind == 'asyncapi' else 'OpenAPI'}"
    operation = _operation(kind, about, answers, (*_AUTH, 503), parameters=["If-None-Match"])
    return operation | {"security": [{}, {"bearer": []}]}


def _open(summary: str, model: str, *statuses: int) -> Json:
    answers = {str(status): _answer(HTTPStatus(status).phrase, ref(model)) for status in statuses}
    return {"operationId": model.lower(), "summary": summary, "responses": answers, "security": []}


# --- parts --------------------------------------------------------------------------------------------------


def _operation(
    name: str,
    summary: str,
    answers: Mapping[int, Json],
    refusals: Sequence[int],
    parameters: Sequence[str] = (),
    **more: Any,
) -> Json:
    refused = {status: {"$ref": f"#/components/responses/{_ERRORS[status]}"} for status in refusals}
    responses = {str(status): answer for status, answer in {**answers, **refused}.items()}
    operation = {"operationId": name, "summary": summary, "responses": responses, **more}
    return operation | ({"parameters": [_param(each) for each in parameters]} if parameters else {})


def _answer(description: str, schema: Schema, headers: Json | None = None) -> Json:
    answer = {"description": description, "content": _json(schema)}
    return answer | ({"headers": headers} if headers else {})


def _error(status: int) -> Json:
    headers = {401: _header("WWW-Authenticate"), 429: _RETRY_AFTER, 503: _RETRY_AFTER}.get(status)
    return _answer(_SAID[status], ref("ErrorFrame"), headers)


def _json(schema: Schema) -> Json:
    return {"application/json": {"schema": schema}}


def _param(name: str) -> Json:
    return {"$ref": f"#/components/parameters/{name}"}


def _header(name: str) -> Json:
    return {name: {"$ref": f"#/components/headers/{name}"}}
