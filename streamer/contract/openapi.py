"""The HTTP API as an OpenAPI 3.1 document."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Final

from streamer.contract import operating
from streamer.contract.asyncapi import call_schema
from streamer.contract.parts import AUTH, BUSY, ERRORS, Json, answer, error, header, json_body, operation, param
from streamer.contract.schemas import Schema, Schemas, bodies, facts, ref
from streamer.definitions import Action
from streamer.jobs import ids
from streamer.jobs.model import Status
from streamer.protocol import schema as protocol
from streamer.protocol.schema import http, operators
from streamer.registry import Registry

_MODELS: Final = (http.RequestState, http.RequestList, http.Presence, http.Alive, http.Readiness, *operators.MODELS)
_EVENTS: Final = ("acknowledgment", "progress", "chunk", "retrying", "complete", "error")
_EVENT_ID: Final = r"^[0-9]+\.[0-9]+\.[0-9]+$"


def document(registry: Registry) -> Json:
    """The contract of these actions over HTTP. The same for the same actions, in whatever order they were declared."""
    schemas = Schemas()
    schemas.add_models(protocol.SERVER_FRAMES, "serialization")
    schemas.add_models([protocol.RequestFrame, operators.TokenWish], "validation")
    schemas.add_models(_MODELS, "serialization")
    calls = [_Call(schemas, registry.get(name)) for name in sorted(registry.names())]
    return {
        "openapi": "3.1.0",
        "info": {"title": "Streamer", "version": "1", "description": _ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "paths": {
            "/v1/requests": {"post": _submit(calls), "get": _list()},
            "/v1/requests/{id}": {"parameters": [param("id")], "get": _state(), "delete": _cancel()},
            "/v1/requests/{id}/events": {"parameters": [param("id")], "get": _follow()},
            "/v1/presence": {"get": _presence()},
            **operating.paths(),
            "/livez": {"get": _open("Whether the process answers", "Alive", 200)},
            "/readyz": {"get": _open("Whether new connections should come here", "Readiness", 200, 503)},
            **{f"/{kind}.json": {"get": _contract(kind)} for kind in ("asyncapi", "openapi")},
        },
        "components": {
            "schemas": schemas.named,
            "parameters": {**_PARAMETERS, **operating.PARAMETERS},
            "headers": _HEADERS,
            "responses": {name: error(status) for status, name in ERRORS.items()},
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
    stored = answer("The job is stored", ref("AcknowledgmentFrame"), applied | header("Location"))
    stored["links"] = {name: {"operationId": name, "parameters": {"id": "$response.body#/job_id"}} for name in _LINKED}
    return operation(
        "submit",
        "Call an action",
        {200: answer("The answer, or the outcome that was waited for", answered, applied), 202: stored},
        (400, *AUTH, 404, 409, 413, 422, *BUSY, 504),
        parameters=["Idempotency-Key", "Prefer"],
        requestBody={"required": True, "content": json_body(body)},
        **{"x-streamer-results": {call.action: call.result for call in calls}},
    )


_LINKED: Final = ("state", "follow", "cancel")


def _list() -> Json:
    answers = {200: answer("A page, newest first", ref("RequestList"))}
    return operation(
        "list",
        "The caller's requests",
        answers,
        (400, *AUTH, *BUSY),
        parameters=["status", "limit", "cursor"],
    )


def _state() -> Json:
    answers = {200: answer("Where it stands, and what came of it", ref("RequestState"))}
    return operation("state", "One request", answers, (400, *AUTH, 404, *BUSY))


def _cancel() -> Json:
    outcome = {"anyOf": [ref("ResponseFrame"), ref("CompleteFrame"), ref("ErrorFrame")]}
    answers = {
        200: answer("It has ended: its outcome", outcome),
        202: answer("It will end", ref("CancellingFrame")),
    }
    return operation("cancel", "Stop a request, waiting or running", answers, (400, *AUTH, 404, *BUSY))


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
    return operation(
        "follow",
        "Its frames as they come",
        answers,
        (400, *AUTH, 404, *BUSY),
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
    answers = {200: answer("Sorted by user", ref("Presence"))}
    about = "Who of the caller's tenant is connected; needs the permission `presence:read`"
    return operation("presence", about, answers, (*AUTH, *BUSY), parameters=["user"])


def _contract(kind: str) -> Json:
    """Refused only where the service says its contract to callers alone."""
    answers = {200: answer("The document", {"type": "object"}, header("ETag")), 304: {"description": "As before."}}
    about = f"This service's contract as {'AsyncAPI' if kind == 'asyncapi' else 'OpenAPI'}"
    described = operation(kind, about, answers, (*AUTH, 503), parameters=["If-None-Match"])
    return described | {"security": [{}, {"bearer": []}]}


def _open(summary: str, model: str, *statuses: int) -> Json:
    answers = {str(status): answer(HTTPStatus(status).phrase, ref(model)) for status in statuses}
    return {"operationId": model.lower(), "summary": summary, "responses": answers, "security": []}
