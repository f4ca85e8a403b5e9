from collections.abc import Mapping
from typing import Any

from streamer.store.dynamodb import keys, requests
from streamer.store.dynamodb.side_items import ENOUGH_BYTES, DynamoDBSideItems
from tests.support.jobs import NOON_MS, Clock
from tests.unit.streamer.store.dynamodb.recorder import Recorder


def store(send: Recorder) -> DynamoDBSideItems:
    return DynamoDBSideItems(send.client, keys.TableNames("s_"), clock=Clock())


def page(*sorts: str, body: bytes = b"x", expires_ms: int = NOON_MS + 1_000, more: bool = False) -> Mapping[str, Any]:
    found = [requests.put_part("s_events", "job", sort, body, expires_ms)["Item"] for sort in sorts]
    last = {"LastEvaluatedKey": requests.part_key("job", sorts[-1] if sorts else "c#0")} if more else {}
    return {"Items": found, "Count": len(found), **last}


async def test_an_item_is_put_without_a_condition() -> None:
    send = Recorder()
    await store(send).put("job", "c#1", b"x", 1_001)
    item = {"RequestID": {"S": "job"}, "SK": {"S": "c#1"}, "b": {"B": b"x"}, "expires": {"N": "2"}}
    assert send.asked == [("put_item", {"TableName": "s_events", "Item": item})]


async def test_an_item_is_deleted_by_its_key() -> None:
    send = Recorder()
    await store(send).delete("job", "c#1")
    key = {"RequestID": {"S": "job"}, "SK": {"S": "c#1"}}
    assert send.asked == [("delete_item", {"TableName": "s_events", "Key": key})]


async def test_a_strong_query_between_two_names() -> None:
    send = Recorder(page("c#1", "c#2"))
    assert await store(send).between("job", "c#1", "c#9", limit=8) == [("c#1", b"x"), ("c#2", b"x")]
    asked = {
        "TableName": "s_events",
        "KeyConditionExpression": "#RequestID = :partition AND #SK BETWEEN :low AND :high",
        "ConsistentRead": True,
        "ExpressionAttributeNames": {"#RequestID": "RequestID", "#SK": "SK"},
        "ExpressionAttributeValues": {":partition": {"S": "job"}, ":low": {"S": "c#1"}, ":high": {"S": "c#9"}},
        "Limit": 8,
    }
    assert send.asked == [("query", asked)]


async def test_pages_are_read_until_there_are_as_many_as_were_asked_for() -> None:
    """Of a page some may have expired: less than the limit does not mean that there are no more."""
    old = page("c#0", expires_ms=NOON_MS)["Items"]
    first = page("c#1", more=True)
    send = Recorder({**first, "Items": [*old, *first["Items"]]}, page("c#2", "c#3", more=True))
    assert [sort for sort, _ in await store(send).between("job", "c#0", "c#9", limit=2)] == ["c#1", "c#2"]
    assert send.requests("ExclusiveStartKey", "Limit") == [(None, 2), (requests.part_key("job", "c#1"), 2)]


async def test_what_expired_and_was_not_deleted_is_skipped_by_whole_pages() -> None:
    send = Recorder(page("c#1", expires_ms=NOON_MS, more=True), page("c#2", expires_ms=NOON_MS, more=True), page("c#3"))
    assert await store(send).between("job", "c#1", "c#9", limit=1) == [("c#3", b"x")]
    assert send.requests("Limit") == [1, None, None]


async def test_a_page_that_was_cut_by_its_size_is_enough() -> None:
    send = Recorder(page("c#1", "c#2", body=b"x" * (ENOUGH_BYTES // 2), more=True), page("c#3"))
    assert [sort for sort, _ in await store(send).between("job", "c#1", "c#9", limit=8)] == ["c#1", "c#2"]


async def test_nothing_there() -> None:
    assert await store(Recorder(page())).between("job", "c#1", "c#9", limit=8) == []
