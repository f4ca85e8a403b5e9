"""A row as DynamoDB holds it, and back: attribute values, and how many bytes they count for. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final, NamedTuple

import orjson

from streamer.jobs.model import Aside, Body, Entry, Failure, Job, Kept, Progress, Status
from streamer.store.base import Connection
from streamer.store.dynamodb import keys

Value = Mapping[str, Any]
"""One attribute value in DynamoDB's own notation, such as `{"S": "text"}`."""
Item = Mapping[str, Value]


class Codec(NamedTuple):
    """How a field is held. `encode` gives None where the attribute is left out."""

    encode: Callable[[Any], Value | None]
    decode: Callable[[Value], Any]


def text(value: str) -> Value:
    return {"S": value}


def number(value: int) -> Value:
    return {"N": str(value)}


def seconds(time_ms: int) -> Value:
    """Whole Unix seconds, as DynamoDB's time to live counts; never earlier than `time_ms`."""
    return number(-(-time_ms // 1000))


def json(value: Any) -> Value:
    return {"B": orjson.dumps(value)}


def _body(body: Body) -> Value:
    return text(f"{body.parts}#{body.name}") if isinstance(body, Aside) else {"B": body}


def _read_body(value: Value) -> Body:
    if "B" in value:
        body: bytes = value["B"]
        return body
    parts, name = value["S"].split("#", 1)
    return Aside(name, int(parts))


def _progress(progress: Progress) -> Value:
    content = [progress.percentage, progress.message, progress.metadata]
    return json([*content, progress.chunks] if progress.chunks else content)


def _failure(failure: Failure) -> Value:
    return json([failure.code, failure.message, failure.details, failure.retryable])


def _int(value: Value) -> int:
    return int(value["N"])


def _json(value: Value) -> Any:
    return orjson.loads(value["B"])


TEXT: Final = Codec(text, lambda value: value["S"])
NUMBER: Final = Codec(number, _int)
COUNT: Final = Codec(lambda count: number(count) if count else None, _int)
FLAG: Final = Codec(lambda flag: {"BOOL": True} if flag else None, lambda value: value["BOOL"])
JSON: Final = Codec(json, _json)
BODY: Final = Codec(_body, _read_body)
SECONDS: Final = Codec(seconds, lambda value: _int(value) * 1000)
KEPT: Final = Codec(
    lambda kept: json([[each.attempt, each.until] for each in kept]) if kept else None,
    lambda value: tuple(Kept(*pair) for pair in _json(value)),
)
STATUS: Final = Codec(lambda status: text(status.value), lambda value: Status(value["S"]))
PROGRESS: Final = Codec(_progress, lambda value: Progress(*_json(value)))
FAILURE: Final = Codec(_failure, lambda value: Failure(*_json(value)))
STRINGS: Final = Codec(
    lambda strings: {"SS": sorted(strings)} if strings else None, lambda value: frozenset(value["SS"])
)

_JOB: Final[Mapping[str, Codec]] = {
    **dict.fromkeys(keys.JOB, TEXT),
    **dict.fromkeys(["created_ms", "virtual_time", "max_retries", "version"], NUMBER),
    **dict.fromkeys(["attempt", "retry_count", "seq"], NUMBER),  # conditions compare them: never left out
    **dict.fromkeys(["due_ms", "start_by_ms", "deadline_ms", "started_ms", "ended_ms", "cancel_requested_ms"], NUMBER),
    **dict.fromkeys(["chunks", "watch_version"], COUNT),
    **dict.fromkeys(["payload", "result", "checkpoint"], BODY),
    "expires_ms": SECONDS,
    "durable": FLAG,
    "metadata": JSON,
    "status": STATUS,
    "progress": PROGRESS,
    "error": FAILURE,
    "routes": STRINGS,
    "kept": KEPT,
}
_CONNECTION: Final[Mapping[str, Codec]] = {
    **dict.fromkeys(keys.CONNECTION, TEXT),
    **dict.fromkeys(["connected_ms", "last_ping_ms"], NUMBER),
    "reconnects": COUNT,
}
_JOB_FIELDS: Final = {attribute: name for name, attribute in keys.JOB.items()}
_INDEXED: Final = {keys.DISPATCH_PK, keys.DISPATCH_SK, keys.USER_KEY}


def value(field: str, content: Any) -> Value | None:
    """The attribute value of a field of `Job`; None where the attribute is left out."""
    return None if content is None else _JOB[field].encode(content)


def encode(job: Job) -> Item:
    item = {attribute: value(field, getattr(job, field)) for field, attribute in keys.JOB.items()}
    item[keys.USER_KEY] = text(keys.job_user_key(job.tenant, job.user, job.job_id))
    present = {attribute: content for attribute, content in item.items() if content is not None}
    return {**job.unknown, **present, **_encode_entry(job.entry)}


def decode(item: Item) -> Job:
    """Attributes that this version does not know come back as they are, in `unknown`."""
    known = {
        field: _JOB[field].decode(item[attribute]) for attribute, field in _JOB_FIELDS.items() if attribute in item
    }
    unknown = {name: content for name, content in item.items() if name not in _JOB_FIELDS and name not in _INDEXED}
    return Job(**known, entry=decode_entry(item), unknown=unknown)


def _encode_entry(entry: Entry | None) -> Item:
    return {} if entry is None else {keys.DISPATCH_PK: text(entry.partition), keys.DISPATCH_SK: text(entry.sort)}


def decode_entry(item: Item) -> Entry | None:
    """The place in the queue index, of a row or of an index entry."""
    if keys.DISPATCH_PK not in item:
        return None
    return Entry(item[keys.DISPATCH_PK]["S"], item[keys.DISPATCH_SK]["S"])


def encode_connection(connection: Connection, expires_ms: int) -> Item:
    row = {field.name: getattr(connection, field.name) for field in fields(connection)}
    item = {keys.CONNECTION[name]: _CONNECTION[name].encode(content) for name, content in row.items()}
    item[keys.USER_KEY] = text(keys.user_key(connection.tenant, connection.user))
    item[keys.TENANT_KEY] = text(keys.tenant_key(connection.tenant, connection.connection_id))
    item[keys.EXPIRES] = seconds(expires_ms)
    return {attribute: content for attribute, content in item.items() if content is not None}


def decode_connection(item: Item) -> Connection:
    known = {
        name: _CONNECTION[name].decode(item[attribute])
        for name, attribute in keys.CONNECTION.items()
        if attribute in item
    }
    return Connection(**known)


def expired(item: Item, now_ms: int) -> bool:
    """Whether the time to live is over: DynamoDB deletes up to 48 hours late (time to live, developer guide)."""
    return keys.EXPIRES in item and _int(item[keys.EXPIRES]) * 1000 <= now_ms


def size(item: Item) -> int:
    """Bytes that DynamoDB counts for an item, names included (developer guide, "item sizes and formats")."""
    return sum(len(name.encode()) + _value_size(content) for name, content in item.items())


def _value_size(content: Value) -> int:
    [(kind, body)] = content.items()
    return _SIZES[kind](body)


def _number_size(digits: str) -> int:
    significant = digits.lstrip("-").replace(".", "").strip("0")
    return 1 + (len(significant) + 1) // 2 + digits.startswith("-")


_SIZES: Final[Mapping[str, Callable[[Any], int]]] = {
    "S": lambda body: len(body.encode()),
    "B": len,
    "N": _number_size,
    "BOOL": lambda _: 1,
    "NULL": lambda _: 1,
    "SS": lambda body: sum(len(element.encode()) for element in body),
    "NS": lambda body: sum(map(_number_size, body)),
    "BS": lambda body: sum(map(len, body)),
    "L": lambda body: 3 + sum(1 + _value_size(element) for element in body),
    "M": lambda body: 3 + len(body) + size(body),
}
