from dataclasses import replace

import pytest

from streamer.store.base import Connection, StaleBinding
from streamer.store.dynamodb import items, keys
from streamer.store.dynamodb.connections import LIFETIME_MS, DynamoDBConnections
from tests.support.jobs import NOON_MS, Clock
from tests.unit.streamer.store.dynamodb.recorder import CONDITION_FAILED, Recorder, refusal

ANN = Connection(
    connection_id="n1.a", node_id="n1", tenant="acme", user="ann", connected_ms=NOON_MS, last_ping_ms=NOON_MS
)  # fmt: skip
BOB = replace(ANN, connection_id="n1.b", user="bob", connected_ms=NOON_MS - 1)

FREE = "attribute_not_exists(#ConnectionID) OR #expires <= :now"
PRINCIPAL = "#tn = :tenant AND #us = :user"
MINE = "#nd = :node_id AND (attribute_not_exists(#n) OR #n <= :reconnects)"
EARLIER = "(attribute_not_exists(#n) OR #n < :reconnects)"


def store(send: Recorder, clock: Clock | None = None) -> DynamoDBConnections:
    return DynamoDBConnections(send.client, keys.TableNames("s_"), clock=clock or Clock())


def item(connection: Connection) -> items.Item:
    return items.encode_connection(connection, connection.last_ping_ms + LIFETIME_MS)


def rows(*connections: Connection) -> dict[str, object]:
    return {"Responses": {"s_connections": [item(connection) for connection in connections]}}


def listed(*connections: Connection) -> dict[str, object]:
    return {"Items": [{"ConnectionID": {"S": row.connection_id}} for row in connections], "Count": len(connections)}


async def test_save_puts_the_row_for_a_day_unless_it_is_bound_elsewhere_or_later() -> None:
    send = Recorder()
    await store(send).save(replace(ANN, reconnects=2))
    assert send.asked == [
        (
            "put_item",
            {
                "TableName": "s_connections",
                "Item": item(replace(ANN, reconnects=2)),
                "ConditionExpression": f"{FREE} OR {MINE}",
                "ExpressionAttributeNames": {
                    "#ConnectionID": "ConnectionID",
                    "#expires": "expires",
                    "#nd": "nd",
                    "#n": "n",
                },
                "ExpressionAttributeValues": {
                    ":now": {"N": str(NOON_MS // 1000)},
                    ":node_id": {"S": "n1"},
                    ":reconnects": {"N": "2"},
                },
            },
        )
    ]
    assert item(ANN)["expires"] == {"N": str(NOON_MS // 1000 + 86_400)}


async def test_a_save_that_comes_too_late_does_nothing() -> None:
    await store(Recorder(refusal(CONDITION_FAILED, Item=item(BOB)))).save(ANN)


@pytest.mark.parametrize(
    ("reconnects", "condition"),
    [
        (3, f"{FREE} OR {PRINCIPAL} AND ({MINE} OR {EARLIER})"),
        (0, f"{FREE} OR {PRINCIPAL} AND {MINE}"),  # nothing is earlier than the first binding
    ],
)
async def test_a_rebind_is_one_write_that_tells_what_it_replaced(reconnects: int, condition: str) -> None:
    send = Recorder({"Attributes": item(ANN)})
    again = replace(ANN, node_id="n2", reconnects=reconnects)
    assert await store(send).rebind(again) == ANN
    [(operation, request)] = send.asked
    assert (operation, request["Item"], request["ReturnValues"]) == ("put_item", item(again), "ALL_OLD")
    assert request["ConditionExpression"] == condition


async def test_a_rebind_without_a_row_replaces_nothing() -> None:
    assert await store(Recorder()).rebind(ANN) is None


async def test_a_rebind_over_a_row_whose_day_is_over_replaces_nothing() -> None:
    later = Clock(NOON_MS + LIFETIME_MS)
    assert await store(Recorder({"Attributes": item(ANN)}), later).rebind(replace(ANN, reconnects=1)) is None


async def test_a_refused_rebind_does_not_say_whose_the_row_is() -> None:
    with pytest.raises(StaleBinding) as refused:
        await store(Recorder(refusal(CONDITION_FAILED, Item=item(BOB)))).rebind(ANN)
    assert refused.value.args == ()
    assert refused.value.__cause__ is None


async def test_get() -> None:
    assert await store(Recorder(rows(ANN))).get("n1.a") == ANN
    assert await store(Recorder(rows())).get("n1.a") is None


async def test_a_row_whose_day_is_over_is_gone() -> None:
    assert await store(Recorder(rows(ANN)), Clock(NOON_MS + LIFETIME_MS)).get("n1.a") is None


async def test_get_many_asks_once_for_each() -> None:
    send = Recorder(rows(ANN, BOB))
    assert await store(send).get_many(["n1.a", "n1.b", "n1.a"]) == {"n1.a": ANN, "n1.b": BOB}
    assert len(send.requests("RequestItems")[0]["s_connections"]["Keys"]) == 2  # type: ignore[index]  # a list here


async def test_delete_removes_what_is_still_on_this_node() -> None:
    send = Recorder(refusal(CONDITION_FAILED))
    await store(send).delete({"n1.a": 0, "n1.b": 4}, "n1")
    assert send.operations == ["delete_item", "delete_item"]
    assert send.asked[1][1] == {
        "TableName": "s_connections",
        "Key": {"ConnectionID": {"S": "n1.b"}},
        "ConditionExpression": MINE,
        "ExpressionAttributeNames": {"#nd": "nd", "#n": "n"},
        "ExpressionAttributeValues": {":node_id": {"S": "n1"}, ":reconnects": {"N": "4"}},
    }


async def test_a_ping_moves_the_end_of_the_day() -> None:
    send = Recorder()
    await store(send).update_last_ping("n1.a", "n1", 5_000)
    assert send.asked == [
        (
            "update_item",
            {
                "TableName": "s_connections",
                "Key": {"ConnectionID": {"S": "n1.a"}},
                "UpdateExpression": "SET #lp = :now, #expires = :expires",
                "ConditionExpression": "#nd = :node_id",
                "ExpressionAttributeNames": {"#lp": "lp", "#expires": "expires", "#nd": "nd"},
                "ExpressionAttributeValues": {
                    ":now": {"N": "5000"},
                    ":expires": {"N": "86405"},
                    ":node_id": {"S": "n1"},
                },
            },
        )
    ]


async def test_a_ping_of_a_row_that_is_gone_does_nothing() -> None:
    await store(Recorder(refusal(CONDITION_FAILED))).update_last_ping("n1.a", "n1", 5_000)


async def test_a_users_connections() -> None:
    send = Recorder(listed(ANN), rows(ANN))
    assert await store(send).list_by_user("acme", "ann") == [ANN]
    assert send.asked[0] == (
        "query",
        {
            "TableName": "s_connections",
            "IndexName": "UserIndex",
            "KeyConditionExpression": "#UserKey = :key",
            "ExpressionAttributeNames": {"#UserKey": "UserKey"},
            "ExpressionAttributeValues": {":key": {"S": keys.user_key("acme", "ann")}},
        },
    )


async def test_a_tenants_connections_of_all_shards_the_oldest_first() -> None:
    other = replace(ANN, connection_id="n1.c", tenant="other")  # the index was late: the row is another's by now
    send = Recorder(listed(ANN), listed(), listed(other, BOB), *[listed()] * 5, rows(ANN, BOB, other))
    assert await store(send).list_by_tenant("acme") == [BOB, ANN]
    asked = [values[":key"]["S"] for values in send.requests("ExpressionAttributeValues") if values]
    assert asked == keys.tenant_keys("acme")
