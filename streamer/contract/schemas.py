"""JSON Schemas under names that nothing else has: of the protocol's models, and of what actions take and give."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

from streamer.definitions import Action

Schema = dict[str, Any]
ANYTHING: Final[Schema] = {}
OBJECT: Final[Schema] = {"type": "object"}
_REF: Final = "#/components/schemas/"


def ref(name: str) -> Schema:
    """Where a schema of that name stands, in both documents."""
    return {"$ref": f"{_REF}{name}"}


@dataclass(slots=True)
class Schemas:
    """What stands under `components.schemas`; each name is given once."""

    named: dict[str, Schema] = field(default_factory=dict)

    def add_models(self, models: Sequence[type[BaseModel]], mode: JsonSchemaMode) -> None:
        """Each under its own name: models of ours, which are told apart by their names."""
        inputs = [(model.__name__, mode, TypeAdapter(model)) for model in models]
        _, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REF + "{model}", schema_generator=_OfFrames)
        self.named |= definitions.get("$defs", {})

    def add(self, name: str, adapter: TypeAdapter[Any], mode: JsonSchemaMode) -> Schema:
        """What a user's type says, and the types in it as `<name>.<type>`: whatever other actions call theirs."""
        template = f"{_REF}{name}.{{model}}"
        schema = adapter.json_schema(mode=mode, ref_template=template, schema_generator=_OfUsers)
        self.named |= {f"{name}.{inner}": each for inner, each in schema.pop("$defs", {}).items()}
        self.named[name] = schema
        return ref(name)

    def resolved(self, schema: Schema) -> Schema:
        """What a reference refers to; anything else as it is."""
        while "$ref" in schema:
            schema = self.named[schema["$ref"].removeprefix(_REF)]
        return schema


@dataclass(frozen=True, slots=True)
class Bodies:
    """What an action takes and gives, as schemas."""

    payload: Schema
    result: Schema
    needs_payload: bool  # an absent payload counts as {}, which it refuses


def bodies(schemas: Schemas, action: Action) -> Bodies:
    """Adds the schemas of the action, under `<action>.payload` and `<action>.result` where it has models."""
    handler = action.handler
    payload = OBJECT if handler.wants_object else ANYTHING
    if handler.request is not None:
        payload = schemas.add(f"{action.name}.payload", handler.request, "validation")
    result = ANYTHING
    if handler.result is not None:
        result = schemas.add(f"{action.name}.result", handler.result, "serialization")
    return Bodies(payload, result, needs_payload=_refuses_nothing_said(schemas.resolved(payload)))


def alone(action: Action) -> tuple[Schema | None, Schema | None]:
    """What an action takes and gives, each a JSON Schema with all that it refers to; None: anything."""
    handler = action.handler
    result = None if handler.result is None else _by_itself(handler.result, "serialization")
    if handler.request is not None:
        return _by_itself(handler.request, "validation"), result
    return dict(OBJECT) if handler.wants_object else None, result


def _by_itself(adapter: TypeAdapter[Any], mode: JsonSchemaMode) -> Schema:
    return adapter.json_schema(mode=mode, schema_generator=_OfUsers)


def facts(action: Action) -> Mapping[str, Any]:
    """What a caller is to know about an action beside its schemas."""
    said: dict[str, Any] = {"x-streamer-mode": action.mode, "x-streamer-inline-allowed": action.inline_allowed}
    return said if action.permission is None else said | {"x-streamer-permission": action.permission}


def with_properties(schema: Schema, properties: Mapping[str, Schema], required: Sequence[str] = ()) -> Schema:
    """The same with these properties in place of its own, or besides."""
    return {
        **schema,
        "properties": {**schema["properties"], **properties},
        "required": sorted({*schema.get("required", ()), *required}),
    }


def _refuses_nothing_said(payload: Schema) -> bool:
    kinds = payload.get("type", "object")
    return bool(payload.get("required")) or "object" not in ([kinds] if isinstance(kinds, str) else kinds)


class _Quiet(GenerateJsonSchema):
    """Says nothing of what JSON Schema cannot say, and the same in every run."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  # pydantic declares it so

    def field_title_should_be_set(self, schema: Any) -> bool:
        """No: a title that is made from the name tells nothing."""
        del schema
        return False


class _OfUsers(_Quiet):
    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> JsonSchemaValue:
        """A type that only Python can check: anything may come."""
        del schema, error_info
        return dict(ANYTHING)

    def encode_default(self, dft: Any) -> Any:
        """A set has an order of its own in every process."""
        encoded = super().encode_default(dft)
        return sorted(encoded, key=repr) if isinstance(dft, set | frozenset) else encoded


class _OfFrames(_Quiet):
    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """A field of ours that is None is absent: null is no value of it."""
        inner = schema["schema"]
        if "default" in schema and schema["default"] is None:
            return self.generate_inner(_never_null(inner))
        return super().default_schema(schema)


def _never_null(schema: Any) -> Any:
    """The same core schema without `None`, under the functions that wrap it."""
    if schema["type"] == "nullable":
        return schema["schema"]
    if schema["type"].startswith("function-"):
        return {**schema, "schema": _never_null(schema["schema"])}
    return schema
