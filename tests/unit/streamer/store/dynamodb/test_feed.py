from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from streamer.errors import StoreUnavailable
from streamer.jobs.model import Job, Status
from streamer.store.dynamodb import items, keys
from streamer.store.dynamodb.errors import InvalidRequest
from streamer.store.dynamodb.feed import DynamoDBFeeds
from streamer.store.feed import BEGINNING, LATEST, Change, Expired, Feed, FeedMissing, Lease, Page, Shard, Trimmed
from tests.support.jobs import Clock, row, row_in
from tests.unit.streamer.store.dynamodb.recorder import CONDITION_FAILED, Recorder, refusal

ARN = "arn:aws:dynamodb:us-east-1:000000000000:table/s_requests/stream/2026-11-22T12:00:00.000"
STREAM = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
PENDING, RUNNING = row_in(Status.PENDING), row_in(Status.PROCESSING)


def described(arn: str = ARN, **stream: Any) -> dict[str, Any]:
    return {"Table": {"StreamSpecification": {**STREAM, **stream}, "LatestStreamArn": arn}}


def feeds(send: Recorder, streams: Recorder) -> DynamoDBFeeds:
    return DynamoDBFeeds(send.client, streams.client, keys.TableNames("s_"), clock=Clock())


async def feed(streams: Recorder, send: Recorder | None = None) -> Feed:
    return await feeds(send or Recorder(described()), streams).open().__aenter__()


def shard(shard_id: str, parent: str | None = None, *, end: str | None = None) -> dict[str, Any]:
    numbers = {"StartingSequenceNumber": "1", **({"EndingSequenceNumber": end} if end else {})}
    return {"ShardId": shard_id, "SequenceNumberRange": numbers, **({"ParentShardId": parent} if parent else {})}


def page_of_shards(*shards: dict[str, Any], last: str | None = None) -> dict[str, Any]:
    return {"StreamDescription": {"Shards": shards, **({"LastEvaluatedShardId": last} if last else {})}}


def record(position: str, before: Job | None, after: Job | None, event: str = "MODIFY") -> dict[str, Any]:
    images = {"OldImage": before and items.encode(before), "NewImage": after and items.encode(after)}
    present = {name: image for name, image in images.items() if image}
    return {"eventName": event, "dynamodb": {"SequenceNumber": position, "Keys": {"RequestID": {"S": "0a"}}, **present}}


def unreadable(position: str) -> dict[str, Any]:
    made = record(position, PENDING, RUNNING)
    made["dynamodb"]["NewImage"] = {**made["dynamodb"]["NewImage"], "st": {"S": "DREAMING"}}
    return made


# --- opening --------------------------------------------------------------------------------------------------------


async def test_a_stream_that_is_made_anew_is_another_feed() -> None:
    first, again, second = [
        (await feed(Recorder(), Recorder(described(arn)))).feed_id for arn in (ARN, ARN, ARN.replace("12:", "13:"))
    ]
    assert first == again
    assert first != second
    assert len(first) == 16


@pytest.mark.parametrize(
    ("answer", "sentence"),
    [
        ({"Table": {}}, r"^Table s_requests has no stream: run `streamer tables create`\.$"),
        ({"Table": {"LatestStreamArn": ARN}}, "has no stream"),  # DynamoDB shows the one that was switched off
        ({"Table": {"StreamSpecification": STREAM}}, "has no stream"),
        (described(StreamEnabled=False), "has no stream"),
        (described(StreamViewType="KEYS_ONLY"), "must show NEW_AND_OLD_IMAGES"),
        (refusal("ResourceNotFoundException"), "is not there"),
    ],
)
async def test_there_is_no_feed(answer: dict[str, Any] | Exception, sentence: str) -> None:
    with pytest.raises(FeedMissing, match=sentence):
        await feed(Recorder(), Recorder(answer))


async def test_the_store_does_not_answer() -> None:
    with pytest.raises(StoreUnavailable) as raised:
        await feed(Recorder(), Recorder(TimeoutError()))
    assert not isinstance(raised.value, FeedMissing)


# --- shards ---------------------------------------------------------------------------------------------------------


async def test_shards_come_in_pages_and_may_come_again() -> None:
    streams = Recorder(
        page_of_shards(shard("s1", end="9"), shard("s2", "s1"), last="s2"),
        page_of_shards(shard("s2", "s1", end="20"), shard("s3", "s2")),
    )
    assert await (await feed(streams)).shards() == [
        Shard("s1", None, True),
        Shard("s2", "s1", True),
        Shard("s3", "s2", False),
    ]
    assert streams.asked == [
        ("describe_stream", {"StreamArn": ARN}),
        ("describe_stream", {"StreamArn": ARN, "ExclusiveStartShardId": "s2"}),
    ]


async def test_a_parent_that_is_listed_as_open_is_told_as_it_is_listed() -> None:
    streams = Recorder(page_of_shards(shard("s1"), shard("s2", "s1")))
    assert await (await feed(streams)).shards() == [Shard("s1", None, False), Shard("s2", "s1", False)]


# --- cursors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("position", "asked"),
    [
        (LATEST, {"ShardIteratorType": "LATEST"}),
        (BEGINNING, {"ShardIteratorType": "TRIM_HORIZON"}),
        ("100", {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": "100"}),
    ],
)
async def test_where_to_read_on(position: str, asked: dict[str, str]) -> None:
    streams = Recorder({"ShardIterator": "c1"})
    assert await (await feed(streams)).cursor("s1", position) == "c1"
    assert streams.asked == [("get_shard_iterator", {"StreamArn": ARN, "ShardId": "s1", **asked})]


async def test_what_comes_after_a_position_is_not_kept_any_more() -> None:
    with pytest.raises(Trimmed):
        await (await feed(Recorder(refusal("TrimmedDataAccessException")))).cursor("s1", "100")


async def test_a_position_that_dynamodb_calls_invalid_is_a_bug() -> None:
    with pytest.raises(InvalidRequest):
        await (await feed(Recorder(refusal("ValidationException")))).cursor("s1", "nonsense")


# --- records --------------------------------------------------------------------------------------------------------


async def test_a_page_of_changes() -> None:
    records = [record("1", None, PENDING, "INSERT"), record("2", PENDING, RUNNING)]
    streams = Recorder({"Records": records, "NextShardIterator": "c2"})
    page = await (await feed(streams)).read("c1")
    assert page == Page([Change("1", None, PENDING), Change("2", PENDING, RUNNING)], "c2", "2")
    assert streams.asked == [("get_records", {"ShardIterator": "c1", "Limit": 1_000})]


async def test_the_end_of_a_shard() -> None:
    assert await (await feed(Recorder({"Records": []}))).read("c1") == Page([], None, None)


@pytest.mark.parametrize("event", ["REMOVE", "UNKNOWN_TO_SDK_VERSION"])
async def test_rows_that_vanish_are_left_out_and_the_position_moves_on(event: str) -> None:
    streams = Recorder({"Records": [record("5", PENDING, None, event)], "NextShardIterator": "c2"})
    assert await (await feed(streams)).read("c1") == Page([], "c2", "5")


async def test_a_row_that_nobody_here_can_read_stops_nothing_and_is_told_once() -> None:
    records = [unreadable("1"), record("2", PENDING, RUNNING), unreadable("3")]
    page = {"Records": records, "NextShardIterator": "c2"}
    reading = await feed(Recorder(page, page))
    with capture_logs() as logged:
        for _ in range(2):
            assert await reading.read("c1") == Page([Change("2", PENDING, RUNNING)], "c2", "3")
    [line] = logged
    assert (line["event"], line["log_level"]) == ("change_not_read", "warning")
    assert (line["feed"], line["keys"]) == (reading.feed_id, {"RequestID": {"S": "0a"}})
    assert "DREAMING" in line["reason"]


async def test_a_row_of_a_newer_version_is_read_with_what_it_has_besides() -> None:
    newer = replace(row(version=99), unknown={"zz": {"S": "new"}})
    streams = Recorder({"Records": [record("1", None, newer, "INSERT")]})
    [change] = (await (await feed(streams)).read("c1")).changes
    assert change.after is not None
    assert (change.after.version, change.after.unknown) == (99, {"zz": {"S": "new"}})


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("ExpiredIteratorException", Expired),
        ("ValidationException", Expired),  # DynamoDB Local: "Invalid ShardId in ShardIterator"
        ("TrimmedDataAccessException", Trimmed),
        ("ResourceNotFoundException", FeedMissing),
        ("LimitExceededException", StoreUnavailable),
        ("ThrottlingException", StoreUnavailable),
    ],
)
async def test_what_reading_may_meet(code: str, ours: type[Exception]) -> None:
    with pytest.raises(ours) as raised:
        await (await feed(Recorder(refusal(code)))).read("c1")
    assert isinstance(raised.value, FeedMissing) is (ours is FeedMissing)


@pytest.mark.parametrize("verb", ["shards", "cursor"])
async def test_the_stream_is_gone(verb: str) -> None:
    gone = await feed(Recorder(refusal("ResourceNotFoundException")))
    with pytest.raises(FeedMissing):
        await (gone.shards() if verb == "shards" else gone.cursor("s1", LATEST))


# --- leases ---------------------------------------------------------------------------------------------------------


async def test_leases_are_those_of_this_feed() -> None:
    send = Recorder(described(), {"Items": []})
    opened = await feed(Recorder(), send)
    assert await opened.leases() == []
    await opened.create_lease("s1", LATEST)
    taken = await opened.take(Lease("s1", None, 0, LATEST), "me")
    moved = await opened.checkpoint(taken, "100", is_done=True)
    await opened.release(moved)
    await opened.delete_lease(moved)
    assert moved == Lease("s1", "me", 2, "100", is_done=True)
    assert send.operations[1:] == ["query", "put_item", "update_item", "update_item", "update_item", "delete_item"]
    feeds_of_writes = {request["Key"]["LeaseKey"]["S"] for _, request in send.asked if "Key" in request}
    assert feeds_of_writes == {opened.feed_id}


async def test_a_missing_table_of_leases_is_no_missing_feed() -> None:
    opened = await feed(Recorder(), Recorder(described(), refusal("ResourceNotFoundException")))
    with pytest.raises(StoreUnavailable) as raised:
        await opened.leases()
    assert not isinstance(raised.value, FeedMissing)


async def test_a_refused_release_is_none() -> None:
    await (await feed(Recorder(), Recorder(described(), refusal(CONDITION_FAILED)))).release(
        Lease("s1", "me", 1, LATEST)
    )
