"""A JSON Schema as a type of TypeScript."""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from streamer.contract.alternatives import choices

ANYTHING: Final = "unknown"
_NOTHING: Final = "never"
_IDENTIFIER: Final = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]*")
_SIMPLE: Final = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}
_OF_OBJECTS: Final = ("properties", "additionalProperties", "patternProperties")

Member = tuple[Any, str]
"""The schema of what an object may have, and how it is declared: `name?: string`."""


class Types:
    """What a schema allows, written as a type; where TypeScript cannot say it as narrowly, a wider one."""

    def __init__(self, names: Mapping[str, str]) -> None:
        """`names`: of the types that are declared, by the reference to their schemas."""
        self._names = names

    def of(self, schema: Any) -> str:
        """The type of one schema."""
        if not isinstance(schema, dict):
            return _NOTHING if schema is False else ANYTHING
        if "$ref" in schema:
            return self._names.get(schema["$ref"], ANYTHING)
        chosen = choices(schema)
        if chosen is not None:
            return _union(map(literal, chosen))
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                return _union(map(self.of, schema[keyword]))
        if "allOf" in schema:
            return " & ".join(map(_grouped, map(self.of, schema["allOf"])))
        return _union(self._typed(kind, schema) for kind in _kinds(schema))

    def members(self, schema: Mapping[str, Any]) -> Sequence[Member]:
        """What the objects of a schema may have, in its order; what may have any name comes last."""
        required = schema.get("required", ())
        members = [
            (each, f"{_key(name)}{'' if name in required else '?'}: {self.of(each)}")
            for name, each in schema.get("properties", {}).items()
        ]
        others = self._others(schema)
        return [*members, (None, f"[key: string]: {others}")] if others else members

    def _typed(self, kind: str, schema: Mapping[str, Any]) -> str:
        if kind == "array":
            return self._array(schema)
        if kind == "object":
            return f"{{ {'; '.join(text for _, text in self.members(schema))} }}" if _is_object(schema) else _MAP
        return _SIMPLE.get(kind, ANYTHING)

    def _array(self, schema: Mapping[str, Any]) -> str:
        first = schema.get("prefixItems")
        if first is None:
            return f"{_grouped(self.of(schema.get('items', True)))}[]"
        at_least = schema.get("minItems", 0)
        items = [f"{_grouped(self.of(each))}{'?' if at >= at_least else ''}" for at, each in enumerate(first)]
        is_open = schema.get("items", True) is not False and schema.get("maxItems", len(first) + 1) > len(first)
        return f"[{', '.join([*items, *([f'...{self._array(_rest(schema))}'] if is_open else [])])}]"

    def _others(self, schema: Mapping[str, Any]) -> str:
        """What members of any other name are. TypeScript asks that those that are named are of this type, too."""
        additional = schema.get("additionalProperties", False)
        others = [*schema.get("patternProperties", {}).values(), *([] if additional is False else [additional])]
        if not others:
            return ""
        properties = schema.get("properties", {})
        absent = ["undefined"] if properties.keys() - set(schema.get("required", ())) else []
        return _union([*map(self.of, [*others, *properties.values()]), *absent])


_MAP: Final = f"{{ [key: string]: {ANYTHING} }}"


def is_plain_object(schema: Mapping[str, Any]) -> bool:
    """Whether it has nothing but members: what an `interface` can say."""
    others = ("$ref", "const", "enum", "anyOf", "oneOf", "allOf")
    return list(_kinds(schema)) == ["object"] and _is_object(schema) and not any(word in schema for word in others)


def formats(schema: Mapping[str, Any]) -> Sequence[str]:
    """Of the strings that it allows."""
    parts = [schema, *schema.get("anyOf", ())]
    return list(dict.fromkeys(part["format"] for part in parts if isinstance(part, dict) and "format" in part))


def literal(value: Any) -> str:
    """The type of this JSON value alone."""
    if isinstance(value, dict):
        return f"{{ {'; '.join(f'{_key(name)}: {literal(each)}' for name, each in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(literal, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return "number"
    return json.dumps(value)


def _is_object(schema: Mapping[str, Any]) -> bool:
    """Whether it says what its objects have."""
    return bool(schema.get("properties")) or any(schema.get(word) not in (None, False, {}) for word in _OF_OBJECTS)


def _kinds(schema: Mapping[str, Any]) -> Iterable[str]:
    kinds = schema.get("type")
    if kinds is None:
        kinds = "object" if _is_object(schema) else "anything"
    return [kinds] if isinstance(kinds, str) else kinds


def _rest(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The array of what comes after the first items."""
    return {"items": schema.get("items", True)}


def _union(types: Iterable[str]) -> str:
    """Each once; anything and something else is anything."""
    parts = list(dict.fromkeys(types))
    if ANYTHING in parts:
        return ANYTHING
    return " | ".join(parts) or _NOTHING


def _grouped(text: str) -> str:
    """As one part of a longer type."""
    return f"({text})" if " | " in text or " & " in text else text


def _key(name: str) -> str:
    return name if _IDENTIFIER.fullmatch(name) else json.dumps(name)
