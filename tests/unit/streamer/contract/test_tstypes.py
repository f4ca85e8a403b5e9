import math
from typing import Any

import pytest

from streamer.contract import tstypes
from streamer.contract.tstypes import Types

TYPES = Types({"#/components/schemas/eat.payload.Dish": "EatPayloadDish"})
DISH = {"$ref": "#/components/schemas/eat.payload.Dish"}
STRING = {"type": "string"}
NUMBER = {"type": "number"}


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({}, "unknown"),
        (True, "unknown"),
        (False, "never"),
        (STRING, "string"),
        ({"type": "string", "format": "date-time"}, "string"),
        ({"type": "integer", "minimum": 3}, "number"),
        ({"type": "boolean"}, "boolean"),
        ({"type": "null"}, "null"),
        ({"type": "what no version knows"}, "unknown"),
        ({"type": ["string", "null"]}, "string | null"),
        (DISH, "EatPayloadDish"),
        ({"$ref": "https://example.org/a-schema-of-somebody"}, "unknown"),
        ({**DISH, "description": "What is on the plate."}, "EatPayloadDish"),
    ],
)
def test_a_value(schema: Any, text: str) -> None:
    assert TYPES.of(schema) == text


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"const": "left"}, '"left"'),
        ({"enum": ["a", 1, 1.5, -2, True, None], "type": "string"}, '"a" | 1 | 1.5 | -2 | true | null'),
        ({"enum": [[1, 2], {"x y": "z"}]}, '[1, 2] | { "x y": "z" }'),
        ({"const": 2**70}, str(2**70)),
        ({"const": math.inf}, "number"),
        ({"enum": []}, "never"),
    ],
)
def test_values_that_are_listed(schema: Any, text: str) -> None:
    assert TYPES.of(schema) == text


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"anyOf": [STRING, {"type": "null"}]}, "string | null"),
        ({"anyOf": [STRING, {"type": "string", "format": "uuid"}]}, "string"),
        ({"anyOf": [STRING, {}]}, "unknown"),
        ({"oneOf": [DISH, {"const": 1}], "discriminator": {"propertyName": "kind"}}, "EatPayloadDish | 1"),
        ({"allOf": [DISH, {"anyOf": [STRING, NUMBER]}]}, "EatPayloadDish & (string | number)"),
    ],
)
def test_several_types_in_one(schema: Any, text: str) -> None:
    assert TYPES.of(schema) == text


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "array"}, "unknown[]"),
        ({"type": "array", "items": STRING, "uniqueItems": True}, "string[]"),
        ({"type": "array", "items": {"anyOf": [STRING, {"type": "null"}]}}, "(string | null)[]"),
        ({"type": "array", "prefixItems": [STRING, NUMBER], "minItems": 2, "maxItems": 2}, "[string, number]"),
        ({"type": "array", "prefixItems": [STRING, NUMBER], "minItems": 1, "maxItems": 2}, "[string, number?]"),
        ({"type": "array", "prefixItems": [STRING], "minItems": 1, "items": False}, "[string]"),
        ({"type": "array", "prefixItems": [STRING], "minItems": 1, "items": NUMBER}, "[string, ...number[]]"),
        ({"type": "array", "maxItems": 0, "minItems": 0, "prefixItems": []}, "[]"),
    ],
)
def test_arrays_and_tuples(schema: Any, text: str) -> None:
    assert TYPES.of(schema) == text


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "object"}, "{ [key: string]: unknown }"),
        ({"type": "object", "additionalProperties": True}, "{ [key: string]: unknown }"),
        ({"type": "object", "additionalProperties": NUMBER}, "{ [key: string]: number }"),
        ({"type": "object", "patternProperties": {"^x": NUMBER}}, "{ [key: string]: number }"),
        ({"properties": {"a": STRING, "b": NUMBER}, "required": ["a"]}, "{ a: string; b?: number }"),
        ({"properties": {"a b": STRING, "$c": {}, "1": {}}}, '{ "a b"?: string; $c?: unknown; "1"?: unknown }'),
        (
            {"properties": {"a": STRING}, "required": ["a"], "additionalProperties": NUMBER},
            "{ a: string; [key: string]: number | string }",
        ),
        (
            {"properties": {"a": STRING}, "additionalProperties": NUMBER},
            "{ a?: string; [key: string]: number | string | undefined }",
        ),
    ],
)
def test_objects_and_maps(schema: Any, text: str) -> None:
    assert TYPES.of(schema) == text


def test_an_interface_can_say_what_has_members_only() -> None:
    assert tstypes.is_plain_object({"type": "object", "properties": {"a": STRING}})
    assert not tstypes.is_plain_object({"type": "object"})
    assert not tstypes.is_plain_object({"type": ["object", "null"], "properties": {"a": STRING}})
    assert not tstypes.is_plain_object({"properties": {"a": STRING}, "anyOf": [DISH]})


def test_formats_are_told_of_alternatives_too() -> None:
    either = {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}, True]}
    assert tstypes.formats(either) == ["date"]
    assert tstypes.formats(STRING) == []
