"""Text frame -> message, or InvalidMessage with a sentence that names what is wrong."""

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final, NoReturn

import orjson

from streamer.errors import InvalidMessage
from streamer.jobs import ids
from streamer.jobs.model import Priority
from streamer.protocol.messages import DEFAULT_OPTIONS, Cancel, Message, Mode, Options, Ping, Request

MAX_DELAY_S: Final = 86_400
MAX_METADATA_BYTES: Final = 4_096
MAX_DEPTH: Final = 200
"""Levels of nesting, so that what is let in can be stored and sent back inside a frame."""
_SHORTEST_DEEP: Final = 2 * MAX_DEPTH  # each level takes two brackets
_WRITABLE_DEPTH: Final = 254  # what orjson writes; it reads 1,024


def parse(text: str | bytes) -> Message:
    """Reads one frame. Unknown fields are ignored; null counts as absent."""
    try:
        frame = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise InvalidMessage("The message is not valid JSON.") from None
    if type(frame) is not dict:
        raise InvalidMessage("A message is a JSON object.")
    if len(text) > _SHORTEST_DEEP and _may_be_deep(text) and _too_deep(frame):
        _refuse(frame, f"A message has at most {MAX_DEPTH} levels of nesting.")
    kind = frame.get("type")
    if kind is None:
        return _request(frame)
    reader = _READERS.get(kind) if type(kind) is str else None
    if reader is None:
        _refuse(frame, f"There is no message type {_shown(kind)}.")
    return reader(frame)


def readable_id(frame: Mapping[str, Any]) -> str | None:
    """The frame's request id, if it has a well-formed one: good for an answer, not yet for work."""
    value = frame.get("id")
    if value is None:
        value = frame.get("request_id")
    return value if type(value) is str and ids.CLIENT_ID.fullmatch(value) else None


def _request(frame: dict[str, Any]) -> Request:
    action = frame.get("action")
    if type(action) is not str:
        _refuse(frame, "action is missing." if action is None else "action must be a string.")
    if not _is_action_name(action):
        _refuse(frame, "action must be 1 to 64 letters, digits, dots, underscores or hyphens.")
    request_id = frame.get("id")
    if request_id is None:
        request_id = frame.get("request_id")
    if request_id is not None:
        _check_id(frame, request_id)
    metadata = frame.get("metadata")
    if metadata is not None:
        _check_metadata(frame, metadata)
    options = frame.get("options")
    payload = frame.get("payload")
    return Request(
        request_id,
        action,
        {} if payload is None else payload,
        metadata,
        DEFAULT_OPTIONS if options is None else _options(frame, options),
    )


@functools.lru_cache(maxsize=512)  # the same few names with every message
def _is_action_name(name: str) -> bool:
    return ids.ACTION.fullmatch(name) is not None


def _cancel(frame: dict[str, Any]) -> Cancel:
    request_id = frame.get("request_id")
    if request_id is None:
        request_id = frame.get("id")
    if request_id is None:
        raise InvalidMessage("request_id is missing.")
    _check_id(frame, request_id)
    return Cancel(request_id)


def _ping(frame: dict[str, Any]) -> Ping:
    ping_id = frame.get("id")
    if ping_id is not None and type(ping_id) not in (str, int):
        raise InvalidMessage("id of a ping must be a string or an integer.")
    return Ping(ping_id)


_READERS: Final[Mapping[str, Callable[[dict[str, Any]], Message]]] = {
    "request": _request,
    "cancel": _cancel,
    "ping": _ping,
}


def _check_id(frame: dict[str, Any], value: object) -> None:
    if type(value) is not str or not ids.CLIENT_ID.fullmatch(value):
        _refuse(frame, "id must be a string of 1 to 128 letters, digits or . _ : ~ -")


def _check_metadata(frame: dict[str, Any], metadata: object) -> None:
    if type(metadata) is not dict:
        _refuse(frame, "metadata must be an object.")
    if len(orjson.dumps(metadata)) > MAX_METADATA_BYTES:
        _refuse(frame, f"metadata is over {MAX_METADATA_BYTES} bytes.")


def _options(frame: dict[str, Any], options: object) -> Options:
    if type(options) is not dict:
        _refuse(frame, "options must be an object.")
    given = {name: value for name, value in options.items() if value is not None}
    for name in given:
        if name not in _OPTIONS:
            _refuse(frame, f"The option {_shown(name)} is not supported.")
    delay = given.get("delay_seconds", 0)
    if type(delay) not in (int, float) or not 0 <= delay <= MAX_DELAY_S:
        _refuse(frame, f"delay_seconds must be a number from 0 to {MAX_DELAY_S}.")
    return Options(
        priority=Priority(_one_of(frame, "priority", given.get("priority", Priority.NORMAL), Priority)),
        delay_ms=int(delay * 1000),
        mode=Mode(_one_of(frame, "mode", given.get("mode", Mode.AUTO), Mode)),
    )


_OPTIONS: Final = frozenset({"priority", "delay_seconds", "mode"})


def _one_of(frame: dict[str, Any], name: str, value: Any, allowed: type[Priority] | type[Mode]) -> str:
    names = [str(member) for member in allowed]
    if type(value) not in (str, allowed) or value not in names:
        _refuse(frame, f"{name} must be one of {', '.join(names)}.")
    return str(value)


def _may_be_deep(text: str | bytes) -> bool:
    opened = text.count("[") + text.count("{") if isinstance(text, str) else text.count(b"[") + text.count(b"{")
    return opened > MAX_DEPTH


def _too_deep(frame: object) -> bool:
    for _ in range(_WRITABLE_DEPTH - MAX_DEPTH):
        frame = [frame]
    try:
        orjson.dumps(frame)
    except orjson.JSONEncodeError:
        return True
    return False


def _shown(value: object) -> str:
    return repr(value)[:80]


def _refuse(frame: Mapping[str, Any], sentence: str) -> NoReturn:
    raise InvalidMessage(sentence, request_id=readable_id(frame))
