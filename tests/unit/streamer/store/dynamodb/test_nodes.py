from streamer.store.base import NodeRow
from streamer.store.dynamodb import keys
from streamer.store.dynamodb.nodes import DynamoDBNodes
from tests.unit.streamer.store.dynamodb.recorder import CONDITION_FAILED, Recorder, refusal

TABLES = keys.TableNames("s_")
KEY = {"Kind": {"S": "app"}, "NodeID": {"S": "n1"}}


def nodes(send: Recorder, beats: Recorder | None = None) -> DynamoDBNodes:
    return DynamoDBNodes(send.client, (beats or Recorder()).client, TABLES)


async def test_a_beat_counts_and_tells_on_its_own_client() -> None:
    send, beats = Recorder(), Recorder({"Attributes": {"beat": {"N": "7"}}})
    assert await nodes(send, beats).beat("app", "n1", {"free": 3}) == 7
    assert send.asked == []
    assert beats.asked == [
        (
            "update_item",
            {
                "TableName": "s_nodes",
                "Key": KEY,
                "UpdateExpression": "SET #info = :info ADD #beat :one",
                "ReturnValues": "UPDATED_NEW",
                "ExpressionAttributeNames": {"#info": "info", "#beat": "beat"},
                "ExpressionAttributeValues": {":info": {"B": b'{"free":3}'}, ":one": {"N": "1"}},
            },
        )
    ]


async def test_a_kind_is_listed_strongly() -> None:
    send = Recorder({"Items": [{**KEY, "beat": {"N": "7"}, "info": {"B": b'{"free":3}'}}], "Count": 1})
    assert await nodes(send).list("app") == [NodeRow("app", "n1", 7, {"free": 3})]
    assert send.asked == [
        (
            "query",
            {
                "TableName": "s_nodes",
                "KeyConditionExpression": "#Kind = :kind",
                "ConsistentRead": True,
                "ExpressionAttributeNames": {"#Kind": "Kind"},
                "ExpressionAttributeValues": {":kind": {"S": "app"}},
            },
        )
    ]


async def test_remove() -> None:
    send = Recorder()
    await nodes(send).remove("app", "n1")
    assert send.asked == [("delete_item", {"TableName": "s_nodes", "Key": KEY})]


async def test_remove_only_what_does_not_beat() -> None:
    send = Recorder(refusal(CONDITION_FAILED))
    await nodes(send).remove("app", "n1", beat=7)
    assert send.asked == [
        (
            "delete_item",
            {
                "TableName": "s_nodes",
                "Key": KEY,
                "ConditionExpression": "#beat = :beat",
                "ExpressionAttributeNames": {"#beat": "beat"},
                "ExpressionAttributeValues": {":beat": {"N": "7"}},
            },
        )
    ]
