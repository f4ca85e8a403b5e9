import asyncio
from typing import Any

import pytest

from streamer.errors import StoreUnavailable
from streamer.store.dynamodb import reads
from streamer.store.dynamodb.client import Client
from tests.unit.streamer.store.dynamodb.recorder import Recorder


def key(number: int) -> dict[str, Any]:
    return {"K": {"N": str(number)}}


def found(*numbers: int, left: list[Any] | None = None) -> dict[str, Any]:
    unprocessed = {"t": {"Keys": left, "ConsistentRead": True}} if left else {}
    return {"Responses": {"t": [key(number) for number in numbers]}, "UnprocessedKeys": unprocessed}


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that were asked for; none is taken."""
    taken: list[float] = []

    async def sleep(delay_s: float) -> None:
        taken.append(delay_s)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    return taken


async def test_nothing_asked_is_no_call() -> None:
    send = Recorder()
    assert await reads.get_all(send.client, "read", "t", []) == []
    assert send.asked == []


async def test_strong_reads() -> None:
    send = Recorder(found(1))
    assert await reads.get_all(send.client, "read", "t", [key(1), key(2)]) == [key(1)]
    assert send.asked == [
        ("batch_get_item", {"RequestItems": {"t": {"Keys": [key(1), key(2)], "ConsistentRead": True}}})
    ]


async def test_more_than_a_hundred_keys_are_several_calls() -> None:
    send = Recorder(found(1), found(2), found(3))
    assert await reads.get_all(send.client, "read", "t", [key(number) for number in range(201)]) == [
        key(1),
        key(2),
        key(3),
    ]
    assert [len(items["t"]["Keys"]) for items in send.requests("RequestItems")] == [100, 100, 1]


async def test_what_was_not_processed_is_asked_for_again(pauses: list[float]) -> None:
    send = Recorder(found(1, left=[key(2)]), found(2))
    assert await reads.get_all(send.client, "read", "t", [key(1), key(2)]) == [key(1), key(2)]
    assert send.requests("RequestItems")[1]["t"]["Keys"] == [key(2)]  # type: ignore[index]  # a list here
    assert len(pauses) == 1


async def test_keys_that_are_never_processed(pauses: list[float]) -> None:
    send = Recorder(*[found(left=[key(1)])] * 20)
    with pytest.raises(StoreUnavailable):
        await reads.get_all(send.client, "read", "t", [key(1)])
    assert 4 < len(send.asked) < 20
    assert sum(pauses) < 15


def page(*numbers: int, last: int | None = None) -> dict[str, Any]:
    more = {} if last is None else {"LastEvaluatedKey": key(last)}
    return {"Items": [key(number) for number in numbers], "Count": len(numbers), **more}


async def test_a_query_goes_on_to_its_end() -> None:
    send = Recorder(page(1, 2, last=2), page(last=7), page(3))
    assert await reads.query_all(send.client, "list", {"TableName": "t"}) == [key(1), key(2), key(3)]
    assert send.requests("Limit", "ExclusiveStartKey") == [(None, None), (None, key(2)), (None, key(7))]


async def test_a_query_ends_at_its_limit() -> None:
    send = Recorder(page(1, 2, last=2), page(3, last=3))
    assert await reads.query_all(send.client, "list", {"TableName": "t"}, limit=3) == [key(1), key(2), key(3)]
    assert send.requests("Limit") == [3, 1]


async def test_a_count_goes_on_to_its_limit() -> None:
    send = Recorder({"Count": 6, "LastEvaluatedKey": key(6)}, {"Count": 4, "LastEvaluatedKey": key(10)})
    assert await reads.count_all(send.client, "count", {"TableName": "t"}, limit=10) == 10
    assert send.requests("Select", "Limit") == [("COUNT", 10), ("COUNT", 4)]


async def test_the_observer_sees_every_call() -> None:
    verbs: list[str] = []
    client = Client(Recorder(page(1, last=1), page()), observer=lambda verb, *_: verbs.append(verb))
    await reads.query_all(client, "entries", {})
    assert verbs == ["entries", "entries"]
