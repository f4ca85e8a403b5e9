from dataclasses import replace

from streamer.store.base import Subscription
from streamer.store.dynamodb import keys
from streamer.store.dynamodb.subscriptions import DynamoDBSubscriptions
from tests.support.jobs import NOON_MS, Clock
from tests.unit.streamer.store.dynamodb.recorder import Recorder

EVE = Subscription(job_id="j1", connection_id="n1.e", tenant="acme", user="eve", expires_ms=NOON_MS + 60_000)
ITEM = {
    "RequestID": {"S": "j1"},
    "ConnectionID": {"S": "n1.e"},
    "tn": {"S": "acme"},
    "us": {"S": "eve"},
    "expires": {"N": str(NOON_MS // 1000 + 60)},
}


def store(send: Recorder) -> DynamoDBSubscriptions:
    return DynamoDBSubscriptions(send.client, keys.TableNames("s_"), clock=Clock())


async def test_subscribe_puts_the_row() -> None:
    send = Recorder()
    await store(send).subscribe(EVE)
    assert send.asked == [("put_item", {"TableName": "s_subscriptions", "Item": ITEM})]


async def test_unsubscribe_deletes_each_row_once() -> None:
    send = Recorder()
    await store(send).unsubscribe("j1", ["n1.e", "n1.f", "n1.e"])
    assert send.operations == ["delete_item", "delete_item"]
    assert send.asked[0][1] == {
        "TableName": "s_subscriptions",
        "Key": {"RequestID": {"S": "j1"}, "ConnectionID": {"S": "n1.e"}},
    }


async def test_all_pages_are_read_strongly_and_expired_rows_left_out() -> None:
    over = {**ITEM, "ConnectionID": {"S": "n1.x"}, "expires": {"N": str(NOON_MS // 1000)}}
    page = {"Items": [ITEM, over], "Count": 2, "LastEvaluatedKey": {"ConnectionID": {"S": "n1.x"}}}
    send = Recorder(page, {"Items": [{**ITEM, "ConnectionID": {"S": "n1.z"}}], "Count": 1})
    assert await store(send).list_by_request("j1") == [EVE, replace(EVE, connection_id="n1.z")]
    assert send.requests("ConsistentRead") == [True, True]
    assert send.asked[1][1]["ExclusiveStartKey"] == page["LastEvaluatedKey"]
    assert send.asked[0] == (
        "query",
        {
            "TableName": "s_subscriptions",
            "KeyConditionExpression": "#RequestID = :job",
            "ConsistentRead": True,
            "ExpressionAttributeNames": {"#RequestID": "RequestID"},
            "ExpressionAttributeValues": {":job": {"S": "j1"}},
        },
    )
