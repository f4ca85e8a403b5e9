import pytest

from streamer.store.dynamodb.expressions import Placeholders


def test_names_and_values_are_collected() -> None:
    bind = Placeholders()
    assert f"{bind.name('st')} = {bind.value('new', {'S': 'x'})}" == "#st = :new"
    assert bind.bound() == {
        "ExpressionAttributeNames": {"#st": "st"},
        "ExpressionAttributeValues": {":new": {"S": "x"}},
    }


def test_an_empty_map_of_values_is_left_out() -> None:
    bind = Placeholders()
    bind.name("st")
    assert bind.bound() == {"ExpressionAttributeNames": {"#st": "st"}}


def test_one_name_for_two_values_is_a_bug() -> None:
    bind = Placeholders()
    bind.value("v", {"S": "x"})
    bind.value("v", {"S": "x"})
    with pytest.raises(ValueError, match="two values"):
        bind.value("v", {"S": "y"})
