"""The socket as an AsyncAPI 3.0.0 document: the service's view, so it receives requests and sends answers."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from streamer.contract.schemas import Bodies, Schema, Schemas, bodies, facts, ref, with_properties
from streamer.definitions import Action
from streamer.protocol import schema as protocol
from streamer.protocol.codes import BEARER, VERSION_1
from streamer.protocol.schema.client import type_of
from streamer.registry import Registry

CHANNEL: Final = "ws"
_CHANNEL: Final = {"$ref": f"#/channels/{CHANNEL}"}

ANSWERS: Final[Mapping[str, Sequence[str]]] = {
    "cancel": ("cancelling", "complete", "error"),
    "resume": ("resumed", "progress", "chunk", "retrying", "complete", "error"),
    "subscribe": ("subscribed", "progress", "chunk", "retrying", "complete", "error"),
    "unsubscribe": ("unsubscribed", "error"),
    "ack": (),
    "auth": ("authenticated", "error"),
    "ping": ("pong",),
}
"""Type of a client's frame -> the types of what may answer it. What answers a `request` depends on its action."""
UNASKED: Final = ("welcome", "drain", "token_expiring", "error")
"""What the server says of its own accord; an `error` where it could not read a frame."""
PUSHED: Final = "pushed"


def document(registry: Registry) -> dict[str, Any]:
    """The contract of these actions on `/ws`. The same for the same actions, in whatever order they were declared."""
    schemas = Schemas()
    schemas.add_models(protocol.CLIENT_FRAMES, "validation")
    schemas.add_models(protocol.SERVER_FRAMES, "serialization")
    actions = [_ActionMessages(schemas, registry.get(name)) for name in sorted(registry.names())]
    messages: dict[str, Any] = {**_common_messages(), **_merged(each.messages for each in actions)}
    operations = {**_common_operations(), **_merged(each.operations for each in actions)}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Streamer",
            "version": "1",
            "description": _ABOUT,
        },
        "defaultContentType": "application/json",
        "servers": {name: _server(name) for name in ("ws", "wss")},
        "channels": {CHANNEL: _channel(messages)},
        "operations": operations,
        "components": {
            "messages": messages,
            "schemas": schemas.named,
            "securitySchemes": _SECURITY,
        },
    }


_ABOUT: Final = (
    "Text frames, each of one JSON object. The receiver ignores fields and types that it does not know; null counts as "
    f"absent. A client that offers the subprotocol `{VERSION_1}` is sent the messages whose `x-streamer-subprotocol` "
    "names it, too."
)
_SECURITY: Final[Mapping[str, Any]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "`Authorization: Bearer <jwt>` of the handshake.",
    },
    "subprotocol": {
        "type": "httpApiKey",
        "in": "header",
        "name": "Sec-WebSocket-Protocol",
        "description": f"An entry `{BEARER}<jwt>` beside `{VERSION_1}`: the way that is open to a browser.",
    },
}


class _ActionMessages:
    """One action: its request, its answers that have a schema of its own, and the operation that joins them."""

    def __init__(self, schemas: Schemas, action: Action) -> None:
        self._action = action
        named = bodies(schemas, action)
        self.messages = {f"{action.name}.request": self._request(schemas, named)}
        if answers_inline(action):
            self.messages[f"{action.name}.response"] = self._answer(schemas, "ResponseFrame", {"data": named.result})
        self.messages[f"{action.name}.complete"] = self._answer(schemas, "CompleteFrame", {"result": named.result})

    @property
    def operations(self) -> Mapping[str, Any]:
        name = self._action.name
        answers = [message for message in self.messages if message != f"{name}.request"]
        answers += ["acknowledgment", "progress", "chunk", "retrying", "error"]
        operation = _received(f"{name}.request", answers)
        operation |= facts(self._action)
        operation["title"] = name
        if self._action.handler.about:
            operation["description"] = self._action.handler.about
        return {f"{name}.call": operation}

    def _request(self, schemas: Schemas, named: Bodies) -> Mapping[str, Any]:
        return _message("request", call_schema(schemas, self._action, named), title=f"Call {self._action.name}")

    def _answer(self, schemas: Schemas, frame: str, body: Mapping[str, Schema]) -> Mapping[str, Any]:
        whole = with_properties(schemas.named[frame], body)
        kind = whole["properties"]["type"]["const"]
        return _message(kind, whole, title=f"{kind} of {self._action.name}")


def answers_inline(action: Action) -> bool:
    """Whether a `response` may come; a job it may become in any case, where the client asks for it."""
    return action.mode != "queued" or action.inline_allowed


def call_schema(schemas: Schemas, action: Action, named: Bodies) -> Schema:
    """A `request` frame that calls this action."""
    required = ["payload"] if named.needs_payload else []
    name: Schema = {"const": action.name, "type": "string"}
    return with_properties(schemas.named["RequestFrame"], {"action": name, "payload": named.payload}, required)


def _common_messages() -> dict[str, Any]:
    models = [*protocol.CLIENT_FRAMES, *protocol.SERVER_FRAMES]
    generic = {type_of(model): _message(type_of(model), ref(model.__name__)) for model in models}
    plain = {type_of(model) for model in protocol.PLAIN}
    for kind in protocol.SERVER_TYPES.keys() - plain:
        generic[kind]["x-streamer-subprotocol"] = VERSION_1
    generic[PUSHED] = {
        "name": PUSHED,
        "title": "What your own back ends send to the connection, as they wrote it",
        "contentType": "text/plain",
        "payload": {"type": "string"},
    }
    return generic


def _common_operations() -> dict[str, Any]:
    received = {kind: _received(kind, answers) for kind, answers in ANSWERS.items()}
    sent = {kind: {"action": "send", "channel": _CHANNEL, "messages": _refs([kind])} for kind in (*UNASKED, PUSHED)}
    return {**received, **sent}


def _message(kind: str, payload: Mapping[str, Any], *, title: str = "") -> dict[str, Any]:
    named = {"name": kind, "payload": payload}
    return named | {"title": title} if title else named


def _received(message: str, answers: Iterable[str]) -> dict[str, Any]:
    operation: dict[str, Any] = {"action": "receive", "channel": _CHANNEL, "messages": _refs([message])}
    answered = _refs(answers)
    return operation | {"reply": {"channel": _CHANNEL, "messages": answered}} if answered else operation


def _refs(messages: Iterable[str]) -> list[dict[str, str]]:
    """An operation's messages are references to those of its channel."""
    return [{"$ref": f"#/channels/{CHANNEL}/messages/{name}"} for name in messages]


def _channel(messages: Iterable[str]) -> dict[str, Any]:
    return {
        "address": "/ws",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {"ws": {"method": "GET", "bindingVersion": "0.1.0"}},
    }


def _server(protocol_name: str) -> dict[str, Any]:
    return {
        "host": "{host}",
        "protocol": protocol_name,
        "variables": {"host": {"default": "localhost:8080", "description": "Where a node listens."}},
        "security": [{"$ref": f"#/components/securitySchemes/{name}"} for name in _SECURITY],
    }


def _merged(parts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    return {name: value for part in parts for name, value in part.items()}
