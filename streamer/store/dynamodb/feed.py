"""The feed of changes of jobs, from the DynamoDB Stream of `streamer_requests`."""

import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, Final

import structlog

from streamer.jobs.model import Job
from streamer.store.dynamodb import items, keys
from streamer.store.dynamodb.client import Answer, Client
from streamer.store.dynamodb.errors import InvalidRequest, Missing
from streamer.store.dynamodb.leases import DynamoDBLeases
from streamer.store.dynamodb.requests import Request
from streamer.store.dynamodb.tables import VIEW
from streamer.store.feed import BEGINNING, LATEST, Change, Expired, Feed, FeedMissing, Lease, Page, Shard

log = structlog.get_logger("streamer.store.dynamodb.feed")

LIMIT: Final = 1_000
"""Records of one GetRecords, at most 1 MB of them (Streams API reference)."""
_KNOWN: Final = ("INSERT", "MODIFY")
"""Not REMOVE: rows vanish by their time to live. DynamoDB Local names that an event of its own."""
_ITERATORS: Final = {LATEST: "LATEST", BEGINNING: "TRIM_HORIZON"}


class DynamoDBFeeds:
    """See `streamer.store.feed.Feeds`. `streams` is a client of DynamoDB Streams, a service of its own."""

    def __init__(self, client: Client, streams: Client, tables: keys.TableNames, *, clock: Callable[[], int]) -> None:
        self._client = client
        self._streams = streams
        self._tables = tables
        self._clock = clock

    @asynccontextmanager
    async def open(self) -> AsyncIterator[Feed]:
        arn = await self._arn()
        feed_id = _feed_id(arn)
        leases = DynamoDBLeases(self._client, self._tables.leases, feed_id, clock=self._clock)
        yield DynamoDBFeed(self._streams, arn, feed_id, leases)

    async def _arn(self) -> str:
        with _missing():
            answer = await self._client.call("open_feed", "describe_table", {"TableName": self._tables.requests})
        table: Mapping[str, Any] = answer["Table"]
        stream = table.get("StreamSpecification", {})
        if not stream.get("StreamEnabled") or "LatestStreamArn" not in table:
            raise FeedMissing(f"Table {self._tables.requests} has no stream: run `streamer tables create`.")
        if stream.get("StreamViewType") != VIEW:
            raise FeedMissing(
                f"The stream of table {self._tables.requests} must show {VIEW}: disable it, create again."
            )
        arn: str = table["LatestStreamArn"]
        return arn


class DynamoDBFeed:
    """See `streamer.store.feed.Feed`: one stream, by its ARN, and the leases of its shards."""

    def __init__(self, streams: Client, arn: str, feed_id: str, leases: DynamoDBLeases) -> None:
        self.feed_id = feed_id
        self._streams = streams
        self._arn = arn
        self._leases = leases
        self._is_told = False  # that a record could not be read: there may be thousands like it

    async def shards(self) -> Sequence[Shard]:
        found: dict[str, Shard] = {}  # by id: while pages are read, one may come again
        request: Request = {"StreamArn": self._arn}
        while True:
            described = (await self._call("describe_stream", request))["StreamDescription"]
            found |= {each["ShardId"]: _shard(each) for each in described["Shards"]}
            if "LastEvaluatedShardId" not in described:
                return list(found.values())
            request = {"StreamArn": self._arn, "ExclusiveStartShardId": described["LastEvaluatedShardId"]}

    async def cursor(self, shard_id: str, position: str) -> str:
        answer = await self._call("get_shard_iterator", _iterator(self._arn, shard_id, position))
        cursor: str = answer["ShardIterator"]
        return cursor

    async def read(self, cursor: str) -> Page:
        try:
            answer = await self._call("get_records", {"ShardIterator": cursor, "Limit": LIMIT})
        except InvalidRequest as error:  # DynamoDB Local's "Invalid ShardId in ShardIterator"; all else is constant
            raise Expired from error
        records = answer["Records"]
        changes = [change for change in map(self._change, records) if change is not None]
        return Page(changes, answer.get("NextShardIterator"), _position(records[-1]) if records else None)

    def _change(self, record: Mapping[str, Any]) -> Change | None:
        if record["eventName"] not in _KNOWN:
            return None
        images = record["dynamodb"]
        try:
            return Change(_position(record), _job(images.get("OldImage")), _job(images.get("NewImage")))
        except Exception as error:  # noqa: BLE001  # a row of a version to come, of whatever shape: the rest goes on
            self._tell(images, error)
            return None

    def _tell(self, images: Mapping[str, Any], error: Exception) -> None:
        if not self._is_told:
            self._is_told = True
            log.warning("change_not_read", feed=self.feed_id, keys=images.get("Keys"), reason=repr(error))

    async def _call(self, operation: str, request: Request) -> Answer:
        with _missing():
            return await self._streams.call(operation, operation, request)

    async def leases(self) -> Sequence[Lease]:
        return await self._leases.list()

    async def create_lease(self, shard_id: str, position: str) -> None:
        await self._leases.create(shard_id, position)

    async def take(self, lease: Lease, owner: str) -> Lease:
        return await self._leases.take(lease, owner)

    async def checkpoint(self, lease: Lease, position: str, *, is_done: bool = False) -> Lease:
        return await self._leases.checkpoint(lease, position, is_done=is_done)

    async def release(self, lease: Lease) -> None:
        await self._leases.release(lease)

    async def delete_lease(self, lease: Lease) -> None:
        await self._leases.delete(lease)


@contextmanager
def _missing() -> Iterator[None]:
    """What is missing here is the feed, and not what a table should have."""
    try:
        yield
    except Missing as error:
        raise FeedMissing("The stream, or what was asked of it, is not there (any more).") from error


def _feed_id(arn: str) -> str:
    """The ARN ends in the stream's label: a stream that is made anew has another one."""
    return hashlib.sha256(arn.encode()).hexdigest()[:16]


def _shard(described: Mapping[str, Any]) -> Shard:
    is_closed = "EndingSequenceNumber" in described.get("SequenceNumberRange", {})
    return Shard(described["ShardId"], described.get("ParentShardId"), is_closed)


def _iterator(arn: str, shard_id: str, position: str) -> Request:
    request: Request = {"StreamArn": arn, "ShardId": shard_id}
    if position in _ITERATORS:
        return {**request, "ShardIteratorType": _ITERATORS[position]}
    return {**request, "ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": position}


def _position(record: Mapping[str, Any]) -> str:
    position: str = record["dynamodb"]["SequenceNumber"]
    return position


def _job(image: items.Item | None) -> Job | None:
    return items.decode(image) if image else None
