import pytest

from streamer.errors import StoreUnavailable
from streamer.store.dynamodb import items
from streamer.store.dynamodb.store import DynamoDBStore, open_dynamodb
from streamer.store.queue import Retention
from tests.support.jobs import Clock, row, submission
from tests.unit.streamer.store.dynamodb.recorder import Recorder


def store(send: Recorder, beats: Recorder | None = None, streams: Recorder | None = None) -> DynamoDBStore:
    others = [(other or Recorder()).client for other in (beats, streams)]
    return DynamoDBStore(send.client, *others, table_prefix="s_", retention=Retention(), clock=Clock())


async def test_the_queue_writes_to_the_tables_of_its_prefix() -> None:
    send = Recorder(*[{"Items": []}] * 9)  # nobody has told yet how far the queue has come
    beats = Recorder({"Attributes": {"beat": {"N": "1"}}})
    enqueued = await store(send, beats).requests.enqueue(submission())
    assert enqueued.created
    assert send.asked[-1][0] == "put_item"
    assert set(send.requests("TableName")) == {"s_nodes", "s_requests"}


async def test_the_queue_reads_rows() -> None:
    send = Recorder({"Responses": {"s_requests": [items.encode(row())]}})
    assert await store(send).requests.get(row().job_id) == row()


async def test_the_connections_have_the_clock() -> None:
    assert await store(Recorder({"Responses": {}})).connections.get("n.1") is None


async def test_beats_have_their_own_client() -> None:
    beats = Recorder({"Attributes": {"beat": {"N": "1"}}})
    assert await store(Recorder(), beats).nodes.beat("worker", "s", {}) == 1


async def test_the_feed_has_its_own_client() -> None:
    stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
    described = {"Table": {"StreamSpecification": stream, "LatestStreamArn": "arn:aws:stream/1"}}
    streams = Recorder({"StreamDescription": {"Shards": []}})
    feeds = store(Recorder(described), streams=streams).feeds
    assert feeds is not None
    async with feeds.open() as feed:
        assert await feed.shards() == []
    assert streams.operations == ["describe_stream"]


async def test_check_and_create_look_at_the_tables() -> None:
    send = Recorder(TimeoutError(), TimeoutError())
    with pytest.raises(StoreUnavailable):
        await store(send).check()
    with pytest.raises(StoreUnavailable):
        await store(send).create()
    assert send.operations == ["describe_table", "describe_table"]


async def test_opening_calls_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    told: list[tuple[str, BaseException | None]] = []
    async with open_dynamodb(table_prefix="s_", observer=lambda verb, _, error: told.append((verb, error))) as opened:
        assert told == []
        with pytest.raises(StoreUnavailable) as raised:
            await opened.nodes.beat("worker", "s", {})
    assert told == [("beat", raised.value)]
