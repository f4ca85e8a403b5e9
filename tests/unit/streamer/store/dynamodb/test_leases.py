import pytest

from streamer.errors import StoreUnavailable
from streamer.store.dynamodb.items import Item
from streamer.store.dynamodb.leases import LIFETIME_MS, DynamoDBLeases
from streamer.store.feed import BEGINNING, LATEST, Lease, LeaseLost
from tests.support.jobs import NOON_MS, Clock
from tests.unit.streamer.store.dynamodb.recorder import CONDITION_FAILED, Recorder, refusal

FREE = Lease("shard-1", owner=None, counter=7, position="100")
MINE = Lease("shard-1", owner="me", counter=8, position="100")
KEY = {"LeaseKey": {"S": "feed-1"}, "ShardID": {"S": "shard-1"}}
EXPIRES = {"N": str((NOON_MS + LIFETIME_MS) // 1000)}


def leases(send: Recorder) -> DynamoDBLeases:
    return DynamoDBLeases(send.client, "s_leases", "feed-1", clock=Clock())


def item(*, owner: str | None, counter: int, position: str = "100", is_done: bool = False) -> Item:
    held: Item = {"ow": {"S": owner}} if owner else {}
    done: Item = {"dn": {"BOOL": True}} if is_done else {}
    return {**KEY, **held, "ct": {"N": str(counter)}, "ps": {"S": position}, **done}


def refused(present: Item | None) -> Exception:
    return refusal(CONDITION_FAILED, **({"Item": present} if present else {}))


async def test_one_strong_query_lists_the_leases_of_a_feed() -> None:
    send = Recorder({"Items": [item(owner=None, counter=7), item(owner="me", counter=8, is_done=True)]})
    assert await leases(send).list() == [FREE, Lease("shard-1", "me", 8, "100", is_done=True)]
    assert send.asked == [
        (
            "query",
            {
                "TableName": "s_leases",
                "KeyConditionExpression": "#LeaseKey = :feed",
                "ConsistentRead": True,
                "ExpressionAttributeNames": {"#LeaseKey": "LeaseKey"},
                "ExpressionAttributeValues": {":feed": {"S": "feed-1"}},
            },
        )
    ]


async def test_a_lease_is_made_where_there_is_none() -> None:
    send = Recorder({}, refused(None))
    for _ in range(2):
        await leases(send).create("shard-1", LATEST)
    operation, request = send.asked[0]
    assert operation == "put_item"
    assert request == {
        "TableName": "s_leases",
        "Item": {**KEY, "ct": {"N": "0"}, "ps": {"S": LATEST}, "expires": EXPIRES},
        "ConditionExpression": "attribute_not_exists(#LeaseKey)",
        "ExpressionAttributeNames": {"#LeaseKey": "LeaseKey"},
    }


async def test_taking_asks_that_nobody_has_changed_it() -> None:
    send = Recorder()
    assert await leases(send).take(FREE, "me") == MINE
    assert send.asked == [
        (
            "update_item",
            {
                "TableName": "s_leases",
                "Key": KEY,
                "UpdateExpression": "SET #ow = :ow, #ct = :ct, #ps = :ps, #expires = :expires REMOVE #dn",
                "ConditionExpression": "#ct = :counter",
                "ExpressionAttributeNames": {"#" + name: name for name in ("ow", "ct", "ps", "dn", "expires")},
                "ExpressionAttributeValues": {
                    ":ow": {"S": "me"},
                    ":ct": {"N": "8"},
                    ":ps": {"S": "100"},
                    ":expires": EXPIRES,
                    ":counter": {"N": "7"},
                },
                "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
            },
        )
    ]


async def test_a_take_whose_answer_was_lost() -> None:
    assert await leases(Recorder(refused(item(owner="me", counter=8)))).take(FREE, "me") == MINE


@pytest.mark.parametrize(
    "present", [item(owner="other", counter=8), item(owner="me", counter=9), item(owner=None, counter=8), None]
)
async def test_a_lease_that_somebody_else_has_taken(present: Item | None) -> None:
    with pytest.raises(LeaseLost):
        await leases(Recorder(refused(present))).take(FREE, "me")
    with pytest.raises(LeaseLost):
        await leases(Recorder(refused(present))).checkpoint(Lease("shard-1", "me", 7, "100"), "200")


async def test_a_checkpoint_moves_the_position_and_counts() -> None:
    send = Recorder()
    moved = await leases(send).checkpoint(MINE, "200", is_done=True)
    assert moved == Lease("shard-1", "me", 9, "200", is_done=True)
    [(expression, condition)] = send.requests("UpdateExpression", "ConditionExpression")
    assert expression == "SET #ow = :ow, #ct = :ct, #ps = :ps, #dn = :dn, #expires = :expires"
    assert condition == "#ct = :counter"


async def test_a_checkpoint_whose_answer_was_lost() -> None:
    send = Recorder(refused(item(owner="me", counter=9, position="200")))
    assert await leases(send).checkpoint(MINE, "200") == Lease("shard-1", "me", 9, "200")
    assert len(send.asked) == 1


async def test_a_checkpoint_after_one_that_was_given_up_and_had_been_applied() -> None:
    """The reader went on without an answer, and notes a later position: it is still the owner."""
    send = Recorder(TimeoutError(), refused(item(owner="me", counter=9, position="200")))
    mine = leases(send)
    with pytest.raises(StoreUnavailable):
        await mine.checkpoint(MINE, "200")
    assert await mine.checkpoint(MINE, "300") == Lease("shard-1", "me", 10, "300")
    assert [values[":counter"] for values in send.requests("ExpressionAttributeValues")] == [
        {"N": "8"},
        {"N": "8"},
        {"N": "9"},
    ]


async def test_it_is_taken_while_such_a_checkpoint_is_made_again() -> None:
    send = Recorder(refused(item(owner="me", counter=9, position="200")), refused(item(owner="other", counter=10)))
    with pytest.raises(LeaseLost):
        await leases(send).checkpoint(MINE, "300")


async def test_releasing_takes_the_name_off() -> None:
    send = Recorder({}, refused(item(owner="other", counter=9)))
    for _ in range(2):  # somebody else's by now: no effect
        await leases(send).release(MINE)
    expression, condition = next(iter(send.requests("UpdateExpression", "ConditionExpression")))
    assert expression == "SET #ct = :ct, #ps = :ps, #expires = :expires REMOVE #ow, #dn"
    assert condition == "#ct = :counter"


async def test_deleting_asks_that_nobody_has_changed_it() -> None:
    send = Recorder({}, refused(None))
    for _ in range(2):
        await leases(send).delete(Lease("shard-1", None, 7, BEGINNING))
    assert send.asked[0] == (
        "delete_item",
        {
            "TableName": "s_leases",
            "Key": KEY,
            "ConditionExpression": "#ct = :counter",
            "ExpressionAttributeNames": {"#ct": "ct"},
            "ExpressionAttributeValues": {":counter": {"N": "7"}},
        },
    )
