"""Text frame -> message, or InvalidMessage with a sentence that names what is wrong."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn

import orjson

from streamer.errors import InvalidMessage
from streamer.jobs import ids
from streamer.jobs.model import Priority
from streamer.protocol.messages import (
    DEFAULT_OPTIONS,
    Ack,
    Auth,
    Cancel,
    Message,
    Mode,
    Options,
    Ping,
    Request,
    Resume,
    Seen,
    Subscribe,
    Unsubscribe,
)

MAX_DELAY_S: Final = 86_400
MAX_EXPIRES_IN_S: Final = 2_592_000
MAX_METADATA_BYTES: Final = 4_096
MAX_DEPTH: Final = 200
"""Levels of nesting, so that what is let in can be stored and sent back inside a frame."""
MAX_RESUMED: Final = 1_000
"""Requests in one `resume`."""
MAX_COUNT: Final = 1 << 53
"""What every JSON reader counts up to without loss (RFC 8259, section 6)."""
EVENTS: Final = ("progress", "chunk", "retrying", "complete", "error")
"""The frame types that a watcher may choose from."""
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
    """The id that an answer to the frame has, if it is a well-formed one: good for an answer, not yet for work.

    That of the request, or of the job where the frame is about watching one.
    """
    value = frame.get("job_id") if frame.get("type") in _WATCHING else _first(frame, "id", "request_id")
    return value if type(value) is str and ids.CLIENT_ID.fullmatch(value) else None


_WATCHING: Final = ("subscribe", "unsubscribe")


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
    return Cancel(_named(frame))


def _ack(frame: dict[str, Any]) -> Ack:
    return Ack(_named(frame))


def _auth(frame: dict[str, Any]) -> Auth:
    token = frame.get("token")
    if token is None or token == "":
        raise InvalidMessage("token is missing.")
    if type(token) is not str:
        raise InvalidMessage("token must be a string.")
    return Auth(token)


def _named(frame: dict[str, Any]) -> str:
    """The request that the frame is about."""
    request_id = _first(frame, "request_id", "id")
    if request_id is None:
        raise InvalidMessage("request_id is missing.")
    _check_id(frame, request_id)
    return str(request_id)


def _ping(frame: dict[str, Any]) -> Ping:
    ping_id = frame.get("id")
    if ping_id is not None and type(ping_id) not in (str, int):
        raise InvalidMessage("id of a ping must be a string or an integer.")
    return Ping(ping_id)


def _resume(frame: dict[str, Any]) -> Resume:
    connection_id = frame.get("connection_id")
    if connection_id is not None and type(connection_id) is not str:
        _refuse(frame, "connection_id must be a string.")
    entries = frame.get("requests")
    if type(entries) is not list:
        _refuse(frame, "requests is missing." if entries is None else "requests must be an array.")
    if len(entries) > MAX_RESUMED:
        _refuse(frame, f"requests has over {MAX_RESUMED} entries.")
    requests = _entries(frame, entries)
    if connection_id is None or not ids.CONNECTION_ID.fullmatch(connection_id):  # such a one can be nobody's
        return Resume(None, 0, requests)
    return Resume(connection_id, _reconnects(frame), requests)


def _reconnects(frame: dict[str, Any]) -> int:
    n = frame.get("n")
    if type(n) is not int or not 1 <= n <= MAX_COUNT:
        _refuse(frame, "n must be an integer from 1 on, where connection_id is given.")
    return n


def _entries(frame: dict[str, Any], entries: Sequence[object]) -> Sequence[Seen]:
    found: dict[str, Seen] = {}
    for entry in entries:
        if type(entry) is not dict:
            _refuse(frame, "Each of requests must be an object.")
        request_id = _first(entry, "request_id", "id")
        if request_id is None:
            _refuse(frame, "request_id is missing in one of requests.")
        _check_id(frame, request_id)
        if request_id in found:
            _refuse(frame, f"requests names {_shown(request_id)} twice.")
        found[request_id] = _seen(frame, entry, request_id)
    return tuple(found.values())


def _seen(frame: dict[str, Any], said: dict[str, Any], request_id: str) -> Seen:
    return Seen(request_id, _count(frame, said, "attempt"), _count(frame, said, "seq"), _count(frame, said, "chunks"))


def _count(frame: dict[str, Any], said: dict[str, Any], name: str) -> int:
    value = said.get(name)
    if value is None:
        return 0
    if type(value) is not int or not 0 <= value <= MAX_COUNT:
        _refuse(frame, f"{name} must be an integer from 0 to 2^53.")
    return value


def _subscribe(frame: dict[str, Any]) -> Subscribe:
    job_id = _watched(frame)
    return Subscribe(job_id, _seen(frame, frame, job_id), _events(frame))


def _unsubscribe(frame: dict[str, Any]) -> Unsubscribe:
    return Unsubscribe(_watched(frame))


def _watched(frame: dict[str, Any]) -> str:
    """The job that the frame names; whether there can be such a job is not judged here."""
    job_id = frame.get("job_id")
    if job_id is None:
        _refuse(frame, "job_id is missing.")
    if type(job_id) is not str or not ids.CLIENT_ID.fullmatch(job_id):
        _refuse(frame, "job_id must be the id of a job.")
    return job_id


def _events(frame: dict[str, Any]) -> frozenset[str] | None:
    events = frame.get("events")
    if events is None:
        return None
    if type(events) is not list:
        _refuse(frame, "events must be an array.")
    for event in events:
        if event not in EVENTS:
            _refuse(frame, f"events may have {', '.join(EVENTS)}, not {_shown(event)}.")
    return frozenset(events)


_READERS: Final[Mapping[str, Callable[[dict[str, Any]], Message]]] = {
    "request": _request,
    "cancel": _cancel,
    "ping": _ping,
    "resume": _resume,
    "subscribe": _subscribe,
    "unsubscribe": _unsubscribe,
    "ack": _ack,
    "auth": _auth,
}


def _first(fields: Mapping[str, Any], name: str, alias: str) -> Any:
    value = fields.get(name)
    return fields.get(alias) if value is None else value


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
    durable = given.get("durable", False)
    if type(durable) is not bool:
        _refuse(frame, "durable must be true or false.")
    delay_ms, expires_in_ms = _times(frame, given)
    return Options(
        priority=Priority(_one_of(frame, "priority", given.get("priority", Priority.NORMAL), Priority)),
        delay_ms=delay_ms,
        mode=Mode(_one_of(frame, "mode", given.get("mode", Mode.AUTO), Mode)),
        durable=durable,
        expires_in_ms=expires_in_ms,
    )


def _times(frame: dict[str, Any], given: Mapping[str, Any]) -> tuple[int, int | None]:
    """Milliseconds: the delay, and until when an outcome is wanted."""
    delay, expires_in = given.get("delay_seconds", 0), given.get("expires_in")
    if type(delay) not in (int, float) or not 0 <= delay <= MAX_DELAY_S:
        _refuse(frame, f"delay_seconds must be a number from 0 to {MAX_DELAY_S}.")
    if expires_in is None:
        return int(delay * 1000), None
    if type(expires_in) not in (int, float) or not 0 < expires_in <= MAX_EXPIRES_IN_S:
        _refuse(frame, f"expires_in must be a number above 0, at most {MAX_EXPIRES_IN_S}.")
    if delay >= expires_in:
        _refuse(frame, "delay_seconds must be less than expires_in.")
    return int(delay * 1000), math.ceil(expires_in * 1000)


_OPTIONS: Final = frozenset({"priority", "delay_seconds", "mode", "durable", "expires_in"})


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
