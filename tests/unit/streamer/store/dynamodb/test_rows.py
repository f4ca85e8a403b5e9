import pytest

from streamer.jobs import lifecycle
from streamer.jobs.model import Aside, Entry, Status
from streamer.store.base import Refused
from streamer.store.dynamodb import items, keys, requests
from streamer.store.dynamodb.rows import FINISHED_BYTES, UNFINISHED_BYTES, DynamoDBRows
from tests.support.jobs import NOON_MS, row, row_in
from tests.unit.streamer.store.dynamodb.recorder import CONDITION_FAILED, Recorder, refusal

TABLES = keys.TableNames("s_")


def rows(send: Recorder) -> DynamoDBRows:
    return DynamoDBRows(send.client, TABLES)


async def test_insert_into_an_empty_place() -> None:
    send = Recorder({})
    assert await rows(send).insert(row(), NOON_MS) is None
    assert send.asked == [("put_item", requests.insert("s_requests", row(), NOON_MS))]


async def test_insert_finds_the_row_that_is_there() -> None:
    present = row(submit_nonce="other")
    send = Recorder(refusal(CONDITION_FAILED, Item=items.encode(present)))
    assert await rows(send).insert(row(), NOON_MS) == present


async def test_a_transition_returns_the_row_after_it() -> None:
    claimed = row_in(Status.PROCESSING)
    transition = lifecycle.claim(claimed.job_id, "default", "s", "n", NOON_MS)
    send = Recorder({"Attributes": items.encode(claimed)})
    assert await rows(send).update_status(claimed.job_id, transition) == claimed
    assert send.asked == [("update_item", requests.update("s_requests", claimed.job_id, transition))]


async def test_a_refused_transition_brings_the_row_before_it() -> None:
    done = row_in(Status.COMPLETED)
    send = Recorder(refusal(CONDITION_FAILED, Item=items.encode(done)))
    with pytest.raises(Refused) as refused:
        await rows(send).update_status(done.job_id, lifecycle.release(row_in(Status.PROCESSING)))
    assert refused.value.job == done


async def test_a_transition_of_nothing() -> None:
    with pytest.raises(Refused) as refused:
        await rows(Recorder(refusal(CONDITION_FAILED))).update_status("x", lifecycle.attach("a", "b", "c"))
    assert refused.value.job is None


async def test_reads_ask_once_for_each_row() -> None:
    send = Recorder({"Responses": {"s_requests": [items.encode(row())]}})
    assert await rows(send).read([row().job_id, "gone", row().job_id]) == {row().job_id: row()}
    [wanted] = send.requests("RequestItems")
    assert wanted["s_requests"]["Keys"] == [{"RequestID": {"S": row().job_id}}, {"RequestID": {"S": "gone"}}]


async def test_entries_of_a_partition() -> None:
    item = {"RequestID": {"S": "0a"}, "DispatchPK": {"S": "R#q#0"}, "DispatchSK": {"S": "17"}}
    send = Recorder({"Items": [item], "Count": 1})
    assert await rows(send).entries("R#q#0", limit=5) == [("0a", Entry("R#q#0", "17"))]
    assert send.asked == [("query", {**requests.entries("s_requests", "R#q#0"), "Limit": 5})]


async def test_the_count_of_a_partition() -> None:
    send = Recorder({"Count": 3})
    assert await rows(send).count("T#q#0", limit=5, up_to="17$") == 3
    wanted = {**requests.entries("s_requests", "T#q#0", up_to="17$"), "Select": "COUNT", "Limit": 5}
    assert send.asked == [("query", wanted)]


async def test_the_newest_of_all_shards() -> None:
    def shard(*created: int) -> dict[str, object]:
        listed = [{"RequestID": {"S": f"job{at}"}, "CreatedAt": {"N": str(at)}} for at in created]
        return {"Items": listed, "Count": len(listed)}

    send = Recorder(shard(9, 2), shard(), shard(10, 8, 1), shard(3))
    assert await rows(send).newest("acme", "ann", 4) == ["job10", "job9", "job8", "job3"]
    assert send.asked == [
        ("query", {**requests.newest("s_requests", key), "Limit": 4}) for key in keys.job_user_keys("acme", "ann")
    ]


async def test_side_items_are_put_by_part() -> None:
    send = Recorder()
    await rows(send).put_aside("0a", "r#1", [b"x", b"y"], 1_000)
    assert send.asked == [
        ("put_item", requests.put_part("s_events", "0a", "r#1#0", b"x", 1_000)),
        ("put_item", requests.put_part("s_events", "0a", "r#1#1", b"y", 1_000)),
    ]


def part(number: int, body: bytes) -> dict[str, object]:
    return {**requests.part_key("0a", f"r#1#{number}"), "b": {"B": body}}


async def test_side_items_come_in_order() -> None:
    send = Recorder({"Responses": {"s_events": [part(1, b"y"), part(0, b"x")]}})
    assert await rows(send).get_aside("0a", Aside("r#1", 2)) == [b"x", b"y"]


async def test_a_side_item_that_lacks_a_part_is_gone() -> None:
    send = Recorder({"Responses": {"s_events": [part(1, b"y")]}})
    assert await rows(send).get_aside("0a", Aside("r#1", 2)) is None


def test_what_fits() -> None:
    store = rows(Recorder())
    waiting, done = row(payload=b""), row_in(Status.COMPLETED, payload=b"", result=b"")
    room, room_done = (
        UNFINISHED_BYTES - items.size(items.encode(waiting)),
        FINISHED_BYTES - items.size(items.encode(done)),
    )
    assert store.fits(row(payload=b"x" * room))
    assert not store.fits(row(payload=b"x" * (room + 1)))
    assert store.fits(row_in(Status.COMPLETED, payload=b"", result=b"x" * room_done))
    assert not store.fits(row_in(Status.COMPLETED, payload=b"", result=b"x" * (room_done + 1)))
