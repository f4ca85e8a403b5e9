from email.utils import formatdate
from typing import Any

import pytest
from botocore.exceptions import ClientError

from streamer.store.dynamodb.clock import DateCompared, certain_offset_ms
from tests.support.jobs import NOON_MS, Clock


@pytest.mark.parametrize(
    ("sent_ms", "received_ms", "offset_ms"),
    [
        (0, 0, 0),
        (999, 999, 0),
        (1_000, 1_000, 0),  # its Date may have been about to change
        (3_500, 3_500, 2_500),
        (-2_500, -2_500, -2_500),
        (-5_000, 5_000, 0),  # it took so long that nothing is certain
        (4_000, 9_000, 3_000),
        (-9_000, -4_000, -4_000),
    ],
)
def test_what_is_certain_is_what_the_most_favourable_reading_leaves(
    sent_ms: int, received_ms: int, offset_ms: int
) -> None:
    assert certain_offset_ms(NOON_MS + sent_ms, NOON_MS + received_ms, NOON_MS) == offset_ms


def dated(text: str | None) -> dict[str, Any]:
    return {"ResponseMetadata": {"HTTPHeaders": {} if text is None else {"date": text}}}


def at(offset_ms: int) -> str:
    return formatdate((NOON_MS + offset_ms) / 1000, usegmt=True)


async def compared(answer: Any) -> DateCompared:
    """After one call, at noon by our clock, with this answer."""
    dates = DateCompared(Clock())

    async def send(_: str, __: Any) -> Any:
        return answer

    assert await dates.watching(send)("update_item", {}) is answer
    return dates


async def test_an_answer_of_now_is_no_offset() -> None:
    assert (await compared(dated(at(0)))).offset_s == 0


async def test_a_clock_that_is_ahead() -> None:
    assert (await compared(dated(at(-5_000)))).offset_s == 4


async def test_a_clock_that_is_behind() -> None:
    assert (await compared(dated(at(300_000)))).offset_s == -300


async def test_a_refusal_is_dated_too() -> None:
    dates = DateCompared(Clock())
    answer: Any = {"Error": {"Code": "InvalidSignatureException"}, **dated(at(600_000))}
    refusal = ClientError(answer, "UpdateItem")

    async def send(_: str, __: Any) -> Any:
        raise refusal

    with pytest.raises(ClientError):
        await dates.watching(send)("update_item", {})
    assert dates.offset_s == -600


@pytest.mark.parametrize("answer", [{}, dated(None), dated("yesterday")], ids=["bare", "no date", "no date at all"])
async def test_an_answer_without_a_date_says_nothing(answer: dict[str, Any]) -> None:
    assert (await compared(answer)).offset_s is None


async def test_what_was_learned_before_stands() -> None:
    dates = DateCompared(Clock())
    answers = iter([dated(at(-5_000)), dated(None)])

    async def send(_: str, __: Any) -> Any:
        return next(answers)

    watched = dates.watching(send)
    await watched("update_item", {})
    await watched("update_item", {})
    assert dates.offset_s == 4
