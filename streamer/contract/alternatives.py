"""A JSON Schema as a list of alternatives, each of one type, told apart by a label: what can be compared."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from streamer.contract.schemas import Schema

Resolve = Callable[[Schema], Schema]
ANY: Final = "anything"
_UNIONS: Final = ("anyOf", "oneOf")
_TYPES: Final[Sequence[tuple[type, str]]] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
    (type(None), "null"),
)


def alternatives(schema: Schema, resolve: Resolve) -> Mapping[str, Schema]:
    """By label: `anything`, a type, or for objects of a union what tells them apart."""
    found: dict[str, Schema] = {}
    for each in _expanded(_whole(schema, resolve), resolve):
        label = _label(each)
        found[label] = _joined(found[label], each) if label in found else each
    return found


def choices(schema: Schema) -> list[Any] | None:
    """The values that there are; None: not listed one by one."""
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _whole(schema: Schema, resolve: Resolve) -> Schema:
    """References followed, `allOf` put together."""
    schema = resolve(schema)
    parts = [_whole(part, resolve) for part in schema.get("allOf", ())]
    whole = {key: value for key, value in schema.items() if key != "allOf"}
    for part in parts:
        properties = {**part.get("properties", {}), **whole.get("properties", {})}
        required = [*part.get("required", ()), *whole.get("required", ())]
        whole = {**part, **whole}
        whole |= {"properties": properties, "required": required} if properties else {}
    return whole


def _expanded(schema: Schema, resolve: Resolve) -> Iterable[Schema]:
    union = next((name for name in _UNIONS if name in schema), None)
    if union is not None and "type" not in schema and "properties" not in schema:
        for part in schema[union]:
            yield from _expanded(_whole(part, resolve), resolve)
    elif isinstance(schema.get("type"), list):
        for kind in schema["type"]:
            yield {**schema, "type": kind}
    else:
        yield schema


def _label(schema: Schema) -> str:
    kind = _kind(schema)
    if kind != "object":
        return "number" if kind == "integer" else kind
    told = [f"{name} {each['const']}" for name, each in sorted(_properties(schema).items()) if "const" in each]
    return " ".join(["object", *told])


def _kind(schema: Schema) -> str:
    if "type" in schema:
        return str(schema["type"])
    values = choices(schema)
    if values:
        return next(name for kind, name in _TYPES if isinstance(values[0], kind))
    return "object" if "properties" in schema else ANY


def _properties(schema: Schema) -> Mapping[str, Schema]:
    properties: Mapping[str, Any] = schema.get("properties", {})
    return {name: each for name, each in properties.items() if isinstance(each, dict)}


def _joined(one: Schema, other: Schema) -> Schema:
    """Two of one label: of listed values all of them, else what both say."""
    ours, theirs = choices(one), choices(other)
    if ours is not None and theirs is not None:
        return {"type": _kind(one), "enum": [*ours, *theirs]}
    if ours is not None or theirs is not None:
        return other if theirs is None else one
    kept = {key: value for key, value in one.items() if other.get(key) == value}
    if "properties" in one and "properties" in other:
        kept["properties"] = {**one["properties"], **other["properties"]}
        kept["required"] = sorted({*one.get("required", ())} & {*other.get("required", ())})
    return kept
