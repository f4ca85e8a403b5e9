from dataclasses import fields
from typing import Any

import pytest

from streamer.jobs.lifecycle import Guard
from streamer.jobs.model import Status
from streamer.store.dynamodb.conditions import CONDITIONS, compared, condition
from streamer.store.dynamodb.expressions import Placeholders

PENDING = frozenset({Status.PENDING})


def built(**asked: Any) -> tuple[str, dict[str, Any]]:
    """The condition after the one on the status, and its values."""
    bind = Placeholders()
    text = condition(Guard(statuses=PENDING, **asked), bind)
    values = bind.bound()["ExpressionAttributeValues"]
    assert values.pop(":PENDING") == {"S": "PENDING"}
    return text.removeprefix("#st IN (:PENDING) AND "), values


def test_every_guard_has_its_condition() -> None:
    assert set(CONDITIONS) == {field.name for field in fields(Guard)}


def test_statuses_are_a_list() -> None:
    bind = Placeholders()
    assert condition(Guard(statuses=frozenset({Status.RETRYING, Status.PENDING})), bind) == (
        "#st IN (:PENDING, :RETRYING)"
    )
    assert bind.bound() == {
        "ExpressionAttributeNames": {"#st": "st"},
        "ExpressionAttributeValues": {":PENDING": {"S": "PENDING"}, ":RETRYING": {"S": "RETRYING"}},
    }


@pytest.mark.parametrize(
    ("asked", "text", "values"),
    [
        (
            {"principal": ("acme", "ann")},
            "#tn = :if_tn AND #us = :if_us",
            {":if_tn": {"S": "acme"}, ":if_us": {"S": "ann"}},
        ),
        ({"attempt": 0}, "#at = :if_at", {":if_at": {"N": "0"}}),
        ({"owner": "s"}, "#ow = :if_ow", {":if_ow": {"S": "s"}}),
        ({"queue": "q"}, "#qu = :if_qu", {":if_qu": {"S": "q"}}),
        ({"version": 1}, "#v <= :if_v", {":if_v": {"N": "1"}}),
        ({"seq": 3}, "#sq <= :if_sq", {":if_sq": {"N": "3"}}),
        ({"due_by_ms": 9}, "(attribute_not_exists(#due) OR #due <= :if_due)", {":if_due": {"N": "9"}}),
        (
            {"not_expired_at_ms": 9},
            "(attribute_not_exists(#sb) OR #sb > :after_sb) AND (attribute_not_exists(#dl) OR #dl > :after_dl)",
            {":after_sb": {"N": "9"}, ":after_dl": {"N": "9"}},
        ),
        ({"expired_at_ms": 9}, "(#sb <= :by_sb OR #dl <= :by_dl)", {":by_sb": {"N": "9"}, ":by_dl": {"N": "9"}}),
        ({"cancel_requested": True}, "attribute_exists(#cr)", {}),
        ({"cancel_requested": False}, "attribute_not_exists(#cr)", {}),
        ({"retries_left": True}, "#rc < #mr", {}),
        ({"retries_left": False}, "#rc >= #mr", {}),
        ({"redriven": False}, "attribute_not_exists(#ra)", {}),
        (
            {"room_for": "n.c"},
            "(attribute_not_exists(#Routes) OR size(#Routes) < :max OR contains(#Routes, :room_for))",
            {":max": {"N": "8"}, ":room_for": {"S": "n.c"}},
        ),
        ({"routes": frozenset({"b", "a"})}, "#Routes = :if_Routes", {":if_Routes": {"SS": ["a", "b"]}}),
        ({"routes": frozenset()}, "attribute_not_exists(#Routes)", {}),
    ],
)
def test_each_guard(asked: dict[str, Any], text: str, values: dict[str, Any]) -> None:
    assert built(**asked) == (text, values)


def test_guards_are_joined() -> None:
    text, values = built(attempt=2, seq=7, cancel_requested=False)
    assert text == "#at = :if_at AND #sq <= :if_sq AND attribute_not_exists(#cr)"
    assert values == {":if_at": {"N": "2"}, ":if_sq": {"N": "7"}}


def test_what_a_row_leaves_out_cannot_be_compared() -> None:
    with pytest.raises(ValueError, match="chunks is left out of a row where it is 0"):
        compared("chunks", "=")(Placeholders(), 0)
