from typing import Any

import pytest

from streamer.contract.compare import Change, Comparison, Way

TEXT = {"type": "string"}
WHOLE = {"type": "integer"}
NUMBER = {"type": "number"}
NULL = {"type": "null"}


def obj(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)}


def told(old: Any, new: Any, way: Way, schemas: tuple[Any, Any] = ({}, {})) -> list[Change]:
    return list(Comparison(schemas[0], schemas[1], way).changes(old, new, "x"))


def breaks(old: Any, new: Any, way: Way) -> bool:
    found = told(old, new, way)
    assert found, "no change was seen"
    return any(change.breaking for change in found)


NARROWED = {
    "anything to a type": ({}, TEXT),
    "anything, said by true, to a type": (True, TEXT),
    "nothing left": ({}, {"enum": ["a"]}),
    "a number to whole ones": (NUMBER, WHOLE),
    "a type out of two": ({"anyOf": [TEXT, WHOLE]}, TEXT),
    "a type out of a list": ({"type": ["string", "null"]}, TEXT),
    "null no more": ({"anyOf": [TEXT, NULL]}, {"anyOf": [TEXT]}),
    "a value less": ({"enum": ["a", "b"]}, {"enum": ["a"]}),
    "one value": ({"enum": ["a", "b"]}, {"const": "a"}),
    "values listed": (TEXT, {"type": "string", "enum": ["a"]}),
    "a higher minimum": ({**WHOLE, "minimum": 1}, {**WHOLE, "minimum": 2}),
    "a minimum": (WHOLE, {**WHOLE, "exclusiveMinimum": 0}),
    "a lower maximum": ({**TEXT, "maxLength": 9}, {**TEXT, "maxLength": 8}),
    "fewer items": ({"type": "array"}, {"type": "array", "maxItems": 3}),
    "a pattern": (TEXT, {**TEXT, "pattern": "^a$"}),
    "a format": (TEXT, {**TEXT, "format": "date"}),
    "items of a type": ({"type": "array"}, {"type": "array", "items": TEXT}),
    "a field required": (obj(a=TEXT), obj(("a",), a=TEXT)),
    "a narrower field": (obj(a=NUMBER), obj(a=WHOLE)),
    "no other fields": (obj(), {**obj(), "additionalProperties": False}),
    "other fields of a type": (obj(), {**obj(), "additionalProperties": TEXT}),
    "a shape out of two": (
        {"oneOf": [obj(kind={"const": "a"}), obj(kind={"const": "b"})]},
        {"oneOf": [obj(kind={"const": "a"}), obj(kind={"const": "a"})]},
    ),
    "within allOf": ({"allOf": [obj(a=NUMBER)]}, {"allOf": [obj(a=NUMBER), obj(("a",), a=NUMBER)]}),
    "within a fixed item": (
        {"type": "array", "prefixItems": [NUMBER]},
        {"type": "array", "prefixItems": [WHOLE]},
    ),
}


@pytest.mark.parametrize("name", NARROWED)
def test_narrower_breaks_who_sends_and_wider_who_receives(name: str) -> None:
    wide, narrow = NARROWED[name]
    assert breaks(wide, narrow, Way.SENT)
    assert not breaks(wide, narrow, Way.RECEIVED)
    assert not breaks(narrow, wide, Way.SENT)
    assert breaks(narrow, wide, Way.RECEIVED)


BREAKING = {
    "another type": (TEXT, WHOLE),
    "another pattern": ({**TEXT, "pattern": "a"}, {**TEXT, "pattern": "b"}),
    "a field gone": (obj(a=TEXT, b=TEXT), obj(b=TEXT)),
    "another fixed item": ({"type": "array", "prefixItems": [TEXT]}, {"type": "array", "prefixItems": [TEXT, TEXT]}),
}


@pytest.mark.parametrize("way", Way)
@pytest.mark.parametrize("name", BREAKING)
def test_breaks_both(name: str, way: Way) -> None:
    assert breaks(*BREAKING[name], way)


@pytest.mark.parametrize(
    "schema",
    [
        {},
        True,
        False,
        TEXT,
        {"anyOf": [TEXT, NULL]},
        {"anyOf": [obj(a=TEXT), obj(b=TEXT)]},
        {"anyOf": [{"const": 1}, {"type": "integer"}]},
        {"anyOf": [{"type": "integer"}, {"const": 1}]},
        {"anyOf": [{"const": 1}, {"const": 2}, {"const": None}]},
        obj(("a",), a=obj(b={"type": "array", "items": {}})),
    ],
)
@pytest.mark.parametrize("way", Way)
def test_what_stays_is_no_change(schema: Any, way: Way) -> None:
    assert told(schema, schema, way) == []


def test_what_is_said_of_a_schema_besides_is_no_change() -> None:
    assert told({**TEXT, "description": "old", "title": "Old"}, {**TEXT, "description": "new"}, Way.SENT) == []


def test_a_new_field_is_told() -> None:
    new = obj(("b",), a=TEXT, b=TEXT)
    assert told(obj(a=TEXT), obj(a=TEXT, b=TEXT), Way.SENT) == [Change("x.b", "is new", breaking=False)]
    assert told(obj(a=TEXT), new, Way.SENT) == [Change("x.b", "is new and required", breaking=True)]
    assert told(obj(a=TEXT), new, Way.RECEIVED) == [Change("x.b", "is new", breaking=False)]


def test_a_new_value_breaks_who_receives_it() -> None:
    old, new = {"enum": ["a"]}, {"enum": ["a", "b"]}
    assert told(old, new, Way.RECEIVED) == [Change("x", "may be 'b', too", breaking=True)]
    assert told(old, new, Way.SENT) == [Change("x", "may be 'b', too", breaking=False)]


def test_schemas_that_refer_to_themselves_are_compared_once() -> None:
    def tree(name: Any) -> Any:
        return {"Tree": obj(name=name, children={"type": "array", "items": {"$ref": "#/components/schemas/Tree"}})}

    reference = {"$ref": "#/components/schemas/Tree"}
    found = told(reference, reference, Way.SENT, (tree(TEXT), tree(WHOLE)))
    assert found == [Change("x.name", "was string, is number", breaking=True)]
