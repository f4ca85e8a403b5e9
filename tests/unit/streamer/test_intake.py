"""What is stored of a call."""

from typing import Any

import pytest

from streamer.definitions import define
from streamer.errors import InvalidMessage
from streamer.intake import Policy, Terms, submission

POLICY = Policy(max_retries=3, start_within_ms=1_000)


async def echo() -> None: ...


def test_a_payload_that_can_be_read_and_not_be_written_is_the_callers_fault() -> None:
    deep: list[Any] = []
    for _ in range(300):
        deep = [deep]
    action = define("echo", echo, module=__name__)
    with pytest.raises(InvalidMessage, match="nested too deeply"):
        submission(action, "t1", "ann", "r1", deep, Terms(), POLICY)


def test_what_an_action_says_of_its_retries_comes_first() -> None:
    given = [
        submission(define("echo", echo, module=__name__, retries=retries), "t1", "ann", "r1", {}, Terms(), POLICY)
        for retries in (None, 0)
    ]
    assert [each.max_retries for each in given] == [3, 0]
