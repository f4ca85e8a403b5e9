"""The actions as a TypeScript module: what the TypeScript client's `connect<Actions>` takes."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from streamer.contract import tstypes
from streamer.contract.schemas import Schema, Schemas, bodies, ref
from streamer.definitions import Action
from streamer.registry import Registry

_HEADER: Final = (
    "// Made by `streamer contract --typescript`: make it anew where an action changes, and leave it as it is."
)
_WORD: Final = re.compile(r"[A-Za-z0-9]+")
_INDENT: Final = "  "


def module(registry: Registry) -> str:
    """Its text: `Actions`, and a type for each payload, each result and each model in them.

    The same for the same actions, in whatever order they were declared.
    """
    schemas = Schemas()
    actions = [registry.get(name) for name in sorted(registry.names())]
    members = [_Member(schemas, action) for action in actions]
    names = _names(schemas.named)
    types = tstypes.Types({ref(schema)["$ref"]: name for schema, name in names.items()})
    declared = [_declaration(types, names[name], schema) for name, schema in schemas.named.items()]
    return "\n".join([_HEADER, "", _interface(types, members), *declared])


class _Member:
    """One action in `Actions`."""

    def __init__(self, schemas: Schemas, action: Action) -> None:
        self._action = action
        self._bodies = bodies(schemas, action)

    def lines(self, types: tstypes.Types) -> Iterable[str]:
        yield from _comment([*_paragraph(self._action.handler.about), *self._facts()])
        yield f"{json.dumps(self._action.name)}: {{"
        yield f"{_INDENT}payload: {self._payload(types)};"
        yield f"{_INDENT}result: {types.of(self._bodies.result)};"
        yield f"{_INDENT}chunk: unknown;"
        yield "};"

    def _payload(self, types: tstypes.Types) -> str:
        """`undefined`: it may be left out, and counts as {} then."""
        said = types.of(self._bodies.payload)
        return said if self._bodies.needs_payload or said == tstypes.ANYTHING else f"{said} | undefined"

    def _facts(self) -> Iterable[str]:
        if self._action.mode != "auto":
            yield f"Always {self._action.mode}."
        if self._action.permission is not None:
            yield f"Permission: `{self._action.permission}`."


def _interface(types: tstypes.Types, members: Sequence[_Member]) -> str:
    lines = (f"{_INDENT}{line}" for member in members for line in member.lines(types))
    about = "/** By name: what an action takes, gives, and puts out piece by piece. */"
    return "\n".join([about, "export interface Actions {", *lines, "}", ""])


def _declaration(types: tstypes.Types, name: str, schema: Schema) -> str:
    about = list(_comment(_about(schema)))
    if not tstypes.is_plain_object(schema):
        return "\n".join([*about, f"export type {name} = {types.of(schema)};", ""])
    lines = (f"{_INDENT}{line}" for line in _fields(types, schema))
    return "\n".join([*about, f"export interface {name} {{", *lines, "}", ""])


def _fields(types: tstypes.Types, schema: Schema) -> Iterable[str]:
    for each, text in types.members(schema):
        yield from _comment(_about(each))
        yield f"{text};"


def _about(schema: Any) -> Sequence[str]:
    """What a type alone does not tell, line by line."""
    if not isinstance(schema, dict):
        return []
    said = list(_paragraph(schema.get("description", "")))
    said += [f"Format: {name}." for name in tstypes.formats(schema)]
    if "default" in schema:
        said.append(f"@defaultValue {json.dumps(schema['default'])}")
    if schema.get("deprecated"):
        said.append("@deprecated")
    return said


def _paragraph(text: str) -> Iterable[str]:
    return (line.strip() for line in text.strip().splitlines())


def _comment(said: Sequence[str]) -> Iterable[str]:
    """As TSDoc; nothing where nothing is said."""
    lines = [line.replace("*/", "*\\/") for line in said]
    if len(lines) == 1:
        yield f"/** {lines[0]} */"
    elif lines:
        yield "/**"
        yield from (f" * {line}".rstrip() for line in lines)
        yield " */"


def _names(schemas: Iterable[str]) -> Mapping[str, str]:
    """Name of a schema -> of its type, unlike all others."""
    given: dict[str, str] = {}
    for schema in schemas:
        wanted = "".join(word[0].upper() + word[1:] for word in _WORD.findall(schema))
        wanted = f"_{wanted}" if wanted[0].isdigit() else wanted
        taken = set(given.values())
        number = next(number for number in range(1, len(taken) + 2) if _numbered(wanted, number) not in taken)
        given[schema] = _numbered(wanted, number)
    return given


def _numbered(name: str, number: int) -> str:
    return name if number == 1 else f"{name}_{number}"
