"""What a change of a JSON Schema asks of those who say it, or hear it."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from streamer.contract.alternatives import ANY, alternatives, choices
from streamer.contract.schemas import Schema


class Way(Enum):
    """Who says what the schema is about, seen from a client. What it says may be taken more widely, never less; what
    it hears may be said more narrowly, never more widely."""

    SENT = "sent"
    RECEIVED = "received"


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """One difference. `breaking`: a client of the old contract may fail with the new one."""

    where: str
    what: str
    breaking: bool


_LOWEST: Final = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_HIGHEST: Final = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_EXACT: Final = ("pattern", "format", "multipleOf", "uniqueItems", "if", "then", "anyOf", "oneOf", "not")
"""Constraints that are compared as they stand: which of two patterns is the narrower one is not asked."""
_REF: Final = "#/components/schemas/"


class Comparison:
    """Compares schemas of two documents; each pair of referenced ones once, since they may refer to themselves."""

    def __init__(self, old: Mapping[str, Schema], new: Mapping[str, Schema], way: Way) -> None:
        """`old`, `new`: the `components.schemas`."""
        self._old = old
        self._new = new
        self._way = way
        self._under_way: set[tuple[str, str]] = set()

    def changes(self, old: Mapping[str, Any] | bool, new: Mapping[str, Any] | bool, where: str) -> Iterator[Change]:
        """Those from one schema to the other, at this place. Raises KeyError where a reference leads nowhere."""
        before, after = _as_schema(old), _as_schema(new)
        pair = (before.get("$ref", ""), after.get("$ref", ""))
        if pair in self._under_way:
            return
        if all(pair):
            self._under_way.add(pair)
        try:
            yield from self._alternatives(before, after, where)
        finally:
            self._under_way.discard(pair)

    def _alternatives(self, old: Schema, new: Schema, where: str) -> Iterator[Change]:
        before = alternatives(old, lambda schema: _resolved(self._old, schema))
        after = alternatives(new, lambda schema: _resolved(self._new, schema))
        if (ANY in before) != (ANY in after):
            yield self._step(where, f"was {_named(before)}, is {_named(after)}", narrower=ANY in before)
            return
        if len(before) == len(after) == 1:
            ((old_label, one),) = before.items()
            ((new_label, other),) = after.items()
            if old_label.startswith("object") and new_label.startswith("object"):
                before, after = {"object": one}, {"object": other}
            elif old_label != new_label:
                yield Change(where, f"was {old_label}, is {new_label}", breaking=True)
                return
        for label in sorted(before.keys() - after.keys()):
            yield self._step(where, f"is not {label} any more", narrower=True)
        for label in sorted(after.keys() - before.keys()):
            yield self._step(where, f"may be {label}, too", narrower=False)
        for label in sorted(before.keys() & after.keys()):
            yield from self._of_one_type(label, before[label], after[label], where)

    def _of_one_type(self, label: str, old: Schema, new: Schema, where: str) -> Iterator[Change]:
        yield from self._values(old, new, where)
        yield from self._bounds(old, new, where)
        yield from self._exact(old, new, where)
        if label.startswith("object"):
            yield from self._properties(old, new, where)
        elif label == "array":
            yield from self._items(old, new, where)

    def _values(self, old: Schema, new: Schema, where: str) -> Iterator[Change]:
        if old.get("type") != new.get("type") and "integer" in (old.get("type"), new.get("type")):
            yield self._step(where, f"was {old.get('type')}, is {new.get('type')}", narrower=new["type"] == "integer")
        before, after = choices(old), choices(new)
        if before is None and after is None:
            return
        if before is None or after is None:
            what = f"is one of {after} now" if before is None else f"was one of {before}, is anything of its type"
            yield self._step(where, what, narrower=before is None)
            return
        for value in before:
            if value not in after:
                yield self._step(where, f"is never {value!r} any more", narrower=True)
        for value in after:
            if value not in before:
                yield self._step(where, f"may be {value!r}, too", narrower=False)

    def _bounds(self, old: Schema, new: Schema, where: str) -> Iterator[Change]:
        for names, sign in ((_LOWEST, 1), (_HIGHEST, -1)):
            for name in names:
                before, after = (sign * each[name] if name in each else -math.inf for each in (old, new))
                if before != after:
                    yield self._step(where, _told(name, old, new), narrower=after > before)

    def _exact(self, old: Schema, new: Schema, where: str) -> Iterator[Change]:
        for name in _EXACT:
            if old.get(name) == new.get(name):
                continue
            if name in old and name in new:
                yield Change(where, _told(name, old, new), breaking=True)
            else:
                yield self._step(where, _told(name, old, new), narrower=name in new)

    def _properties(self, old: Schema, new: Schema, where: str) -> Iterator[Change]:
        before, after = old.get("properties", {}), new.get("properties", {})
        was, must = set(old.get("required", ())), set(new.get("required", ()))
        for name in sorted(before.keys() - after.keys()):
            yield Change(_inside(where, name), "is gone", breaking=True)
        for name in sorted(after.keys() - before.keys()):
            is_asked = self._way is Way.SENT and name in must
            yield Change(_inside(where, name), "is new and required" if is_asked else "is new", breaking=is_asked)
        for name in sorted(before.keys() & after.keys()):
            inside = _inside(where, name)
            if (name in was) != (name in must):
                what = "is required now" if name in must else "may be absent now"
                yield self._step(inside, what, narrower=name in must)
            yield from self.changes(before[name], after[name], inside)
        yield from self._others(old.get("additionalProperties", True), new.get("additionalProperties", True), where)

    def _others(self, old: Schema | bool, new: Schema | bool, where: str) -> Iterator[Change]:
        """Properties that are not listed."""
        if old is not False and new is not False:
            yield from self.changes(old, new, _inside(where, "*"))
        elif old != new:
            what = "takes no other fields now" if new is False else "takes other fields now"
            yield self._step(where, what, narrower=new is False)

    def _items(self, old: Schema, new: Schema, where: str) -> Iterator[Change]:
        yield from self.changes(old.get("items", True), new.get("items", True), f"{where}[]")
        before, after = old.get("prefixItems", []), new.get("prefixItems", [])
        if len(before) != len(after):
            yield Change(where, f"had {len(before)} fixed items, has {len(after)}", breaking=True)
        for place, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from self.changes(one, other, f"{where}[{place}]")

    def _step(self, where: str, what: str, *, narrower: bool) -> Change:
        return Change(where, what, breaking=narrower == (self._way is Way.SENT))


def _as_schema(schema: Mapping[str, Any] | bool) -> Schema:
    if isinstance(schema, Mapping):
        return dict(schema)
    return {} if schema else {"not": {}}


def _resolved(schemas: Mapping[str, Schema], schema: Schema) -> Schema:
    while "$ref" in schema:
        schema = schemas[schema["$ref"].removeprefix(_REF)]
    return schema


def _told(name: str, old: Schema, new: Schema) -> str:
    return f"{name} was {_shown(old.get(name))}, is {_shown(new.get(name))}"


def _shown(value: Any) -> str:
    return "not there" if value is None else repr(value)


def _named(labels: Mapping[str, Any]) -> str:
    return " or ".join(sorted(labels))


def _inside(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
