"""A guard as a ConditionExpression. `lifecycle.refuses` says what each of them means."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from streamer.jobs.lifecycle import Guard
from streamer.jobs.model import MAX_ROUTES, Status
from streamer.store.dynamodb import items, keys
from streamer.store.dynamodb.expressions import Placeholders

Condition = Callable[[Placeholders, Any], str]


def condition(guard: Guard, bind: Placeholders) -> str:
    asked = [(field.name, getattr(guard, field.name)) for field in fields(guard)]
    return " AND ".join(CONDITIONS[name](bind, content) for name, content in asked if content is not None)


def _attribute(bind: Placeholders, field: str) -> str:
    return bind.name(keys.JOB[field])


def compared(field: str, operator: str, prefix: str = "if") -> Condition:
    def build(bind: Placeholders, content: Any) -> str:
        value = items.value(field, content)
        if value is None:
            raise ValueError(f"{field} is left out of a row where it is {content!r}, so it cannot be compared")
        return f"{_attribute(bind, field)} {operator} {bind.value(f'{prefix}_{keys.JOB[field]}', value)}"

    return build


def _absent_or(field: str, inner: Condition) -> Condition:
    def build(bind: Placeholders, content: Any) -> str:
        return f"(attribute_not_exists({_attribute(bind, field)}) OR {inner(bind, content)})"

    return build


def _there(field: str) -> Condition:
    def build(bind: Placeholders, expected: bool) -> str:
        return f"attribute_{'exists' if expected else 'not_exists'}({_attribute(bind, field)})"

    return build


def _either(*conditions: Condition) -> Condition:
    return lambda bind, content: f"({' OR '.join(each(bind, content) for each in conditions)})"


def _both(*conditions: Condition) -> Condition:
    return lambda bind, content: " AND ".join(each(bind, content) for each in conditions)


def _statuses(bind: Placeholders, statuses: frozenset[Status]) -> str:
    allowed = ", ".join(bind.value(status.value, items.text(status.value)) for status in sorted(statuses))
    return f"{_attribute(bind, 'status')} IN ({allowed})"


def _principal(bind: Placeholders, principal: tuple[str, str]) -> str:
    tenant, user = principal
    return f"{compared('tenant', '=')(bind, tenant)} AND {compared('user', '=')(bind, user)}"


def _retries_left(bind: Placeholders, expected: bool) -> str:
    return f"{_attribute(bind, 'retry_count')} {'<' if expected else '>='} {_attribute(bind, 'max_retries')}"


def _room_for(bind: Placeholders, connection: str) -> str:
    routes = _attribute(bind, "routes")
    limit = bind.value("max", items.number(MAX_ROUTES))
    among = bind.value("room_for", items.text(connection))
    return f"(attribute_not_exists({routes}) OR size({routes}) < {limit} OR contains({routes}, {among}))"


def _routes(bind: Placeholders, expected: frozenset[str]) -> str:
    return compared("routes", "=")(bind, expected) if expected else _there("routes")(bind, False)


CONDITIONS: Final[Mapping[str, Condition]] = {
    "statuses": _statuses,
    "principal": _principal,
    "attempt": compared("attempt", "="),
    "owner": compared("owner", "="),
    "queue": compared("queue", "="),
    "version": compared("version", "<="),
    "seq": compared("seq", "<="),
    "due_by_ms": _absent_or("due_ms", compared("due_ms", "<=")),
    "not_expired_at_ms": _both(
        *(_absent_or(field, compared(field, ">", "after")) for field in ("start_by_ms", "deadline_ms"))
    ),
    "expired_at_ms": _either(*(compared(field, "<=", "by") for field in ("start_by_ms", "deadline_ms"))),
    "cancel_requested": _there("cancel_requested_ms"),
    "retries_left": _retries_left,
    "redriven": _there("redriven_as"),
    "room_for": _room_for,
    "routes": _routes,
}
"""Field of `Guard` -> its condition; a missing attribute makes a comparison false, as None does in `refuses`."""
