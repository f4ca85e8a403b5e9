from dataclasses import replace

from streamer.store.base import Connection
from streamer.store.dynamodb import items, keys
from streamer.store.dynamodb.connections import LIFETIME_MS, DynamoDBConnections
from tests.support.jobs import NOON_MS, Clock
from tests.unit.streamer.store.dynamodb.recorder import CONDITION_FAILED, Recorder, refusal

ANN = Connection(
    connection_id="n1.a", node_id="n1", tenant="acme", user="ann", connected_ms=NOON_MS, last_ping_ms=NOON_MS
)  # fmt: skip
BOB = replace(ANN, connection_id="n1.b", user="bob", connected_ms=NOON_MS - 1)


def store(send: Recorder, clock: Clock | None = None) -> DynamoDBConnections:
    return DynamoDBConnections(send.client, keys.TableNames("s_"), clock=clock or Clock())


def item(connection: Connection) -> items.Item:
    return items.encode_connection(connection, connection.last_ping_ms + LIFETIME_MS)


def rows(*connections: Connection) -> dict[str, object]:
    return {"Responses": {"s_connections": [item(connection) for connection in connections]}}


def listed(*connections: Connection) -> dict[str, object]:
    return {"Items": [{"ConnectionID": {"S": row.connection_id}} for row in connections], "Count": len(connections)}


async def test_save_puts_the_row_for_a_day() -> None:
    send = Recorder()
    await store(send).save(ANN)
    assert send.asked == [("put_item", {"TableName": "s_connections", "Item": item(ANN)})]
    assert item(ANN)["expires"] == {"N": str(NOON_MS // 1000 + 86_400)}


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
    await store(send).delete(["n1.a", "n1.b"], "n1")
    assert send.operations == ["delete_item", "delete_item"]
    assert send.asked[1][1] == {
        "TableName": "s_connections",
        "Key": {"ConnectionID": {"S": "n1.b"}},
        "ConditionExpression": "#nd = :node",
        "ExpressionAttributeNames": {"#nd": "nd"},
        "ExpressionAttributeValues": {":node": {"S": "n1"}},
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
                "ConditionExpression": "#nd = :node",
                "ExpressionAttributeNames": {"#lp": "lp", "#expires": "expires", "#nd": "nd"},
                "ExpressionAttributeValues": {
                    ":now": {"N": "5000"},
                    ":expires": {"N": "86405"},
                    ":node": {"S": "n1"},
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
