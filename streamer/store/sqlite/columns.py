"""A job as a row of the table `requests`, and back: one column per field, JSON for what has parts."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from streamer.jobs.model import Aside, Body, Entry, Failure, Job, Kept, Progress, Status

Value = str | bytes | int | None
"""What a column holds."""

_PLAIN: Final = (
    "job_id", "client_id", "tenant", "user", "action", "queue", "payload_hash", "created_ms", "submit_nonce",
    "virtual_time", "max_retries", "redrive_of", "version", "attempt", "retry_count", "owner", "claim_nonce",
    "due_ms", "start_by_ms", "deadline_ms", "started_ms", "ended_ms", "expires_ms", "cancel_requested_ms",
    "redriven_as", "seq", "chunks", "watch_version",
)  # fmt: skip


def _json(value: Any) -> str:
    return orjson.dumps(value, default=dict).decode()


def _to_body(body: Body) -> Value:
    return _json([body.name, body.parts]) if isinstance(body, Aside) else body


def _from_body(value: str | bytes) -> Body:
    return Aside(*orjson.loads(value)) if isinstance(value, str) else value


def _from_progress(text: str) -> Progress:
    return Progress(**orjson.loads(text))


def _from_failure(text: str) -> Failure:
    return Failure(**orjson.loads(text))


def _from_routes(text: str) -> frozenset[str]:
    return frozenset(orjson.loads(text))


def _from_kept(text: str) -> tuple[Kept, ...]:
    return tuple(Kept(*pair) for pair in orjson.loads(text))


_CODECS: Final[Mapping[str, tuple[Callable[[Any], Value], Callable[[Any], Any]]]] = {
    # field: (to the column, from the column), for values that are not None
    "payload": (_to_body, _from_body),
    "result": (_to_body, _from_body),
    "checkpoint": (_to_body, _from_body),
    "status": (str, Status),
    "durable": (int, bool),
    "metadata": (_json, orjson.loads),
    "progress": (_json, _from_progress),
    "error": (_json, _from_failure),
    "kept": (lambda kept: _json([[each.attempt, each.until] for each in kept]), _from_kept),
    "routes": (lambda routes: _json(sorted(routes)), _from_routes),
    "unknown": (_json, orjson.loads),
}
_ENTRY: Final = ("entry_partition", "entry_sort")
COLUMNS: Final = (*_PLAIN, *_CODECS, *_ENTRY)


def encode(changes: Mapping[str, Any]) -> dict[str, Value]:
    """Columns for fields of Job."""
    row: dict[str, Value] = {}
    for name, value in changes.items():
        if name == "entry":
            row.update(zip(_ENTRY, (value.partition, value.sort) if value else (None, None), strict=True))
        elif value is None or name not in _CODECS:
            row[name] = value
        else:
            row[name] = _CODECS[name][0](value)
    return row


def encode_job(job: Job) -> Sequence[Value]:
    """A whole row, in the order of COLUMNS."""
    row = encode({name: getattr(job, name) for name in (*_PLAIN, *_CODECS, "entry")})
    return [row[name] for name in COLUMNS]


def decode(row: Sequence[Any]) -> Job:
    """A job from a row in the order of COLUMNS."""
    fields = dict(zip(COLUMNS, row, strict=True))
    partition, sort = fields.pop("entry_partition"), fields.pop("entry_sort")
    for name, (_, from_column) in _CODECS.items():
        if fields[name] is not None:
            fields[name] = from_column(fields[name])
    return Job(**fields, entry=Entry(partition, sort) if partition is not None else None)
