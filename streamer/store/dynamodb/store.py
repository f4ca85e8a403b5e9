"""The DynamoDB engine, put together."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from streamer.store.base import (
    ConnectionStore,
    EventLog,
    Inbox,
    NodeRegistry,
    Observer,
    RequestQueue,
    Store,
    SubscriptionStore,
    Turnstile,
    now_ms,
)
from streamer.store.dynamodb import client as clients
from streamer.store.dynamodb import keys, tables
from streamer.store.dynamodb.client import Client, OnCapacity
from streamer.store.dynamodb.connections import DynamoDBConnections
from streamer.store.dynamodb.nodes import DynamoDBNodes
from streamer.store.dynamodb.rows import DynamoDBRows
from streamer.store.dynamodb.side_items import DynamoDBSideItems
from streamer.store.dynamodb.subscriptions import DynamoDBSubscriptions
from streamer.store.feed import Feeds
from streamer.store.inbox import StoredInbox
from streamer.store.log import StoredLog
from streamer.store.queue import JobQueue, Retention
from streamer.store.turns import StoredTurns


class DynamoDBStore:
    """`Store` on the tables of one prefix. `beats` is a client of its own for the registry's counters."""

    def __init__(
        self,
        client: Client,
        beats: Client,
        *,
        table_prefix: str,
        retention: Retention,
        clock: Callable[[], int],
    ) -> None:
        self._client = client
        self._tables = keys.TableNames(table_prefix)
        rows = DynamoDBRows(client, self._tables)
        side_items = DynamoDBSideItems(client, self._tables, clock=clock)
        self.events: EventLog = StoredLog(side_items, clock=clock, ttl_ms=retention.outcome_ms)
        self.inbox: Inbox = StoredInbox(side_items, clock=clock)
        self.nodes: NodeRegistry = DynamoDBNodes(client, beats, self._tables)
        self.turns: Turnstile = StoredTurns(self.nodes, clock=clock)
        self.feeds: Feeds | None = None
        self.requests: RequestQueue = JobQueue(
            rows, inbox=self.inbox, turns=self.turns, clock=clock, retention=retention
        )
        self.connections: ConnectionStore = DynamoDBConnections(client, self._tables, clock=clock)
        self.subscriptions: SubscriptionStore = DynamoDBSubscriptions(client, self._tables, clock=clock)

    async def check(self) -> None:
        await tables.check(self._client, self._tables)

    async def create(self) -> None:
        await tables.create(self._client, self._tables)


@asynccontextmanager
async def open_dynamodb(
    *,
    table_prefix: str = "streamer_",
    retention: Retention = Retention(),  # noqa: B008  a frozen value
    clock: Callable[[], int] = now_ms,
    observer: Observer | None = None,
    on_capacity: OnCapacity | None = None,
) -> AsyncIterator[Store]:
    """Opens the store without a call to DynamoDB: `check` says whether it is there. Raises ConfigurationError.

    `on_capacity` is told what every call cost, per table and index; it makes answers larger, so it is for tests.
    """
    async with clients.connected(clients.CALLS) as send, clients.connected(clients.BEATS) as send_beat:
        client = Client(send, observer=observer, on_capacity=on_capacity)
        beats = Client(send_beat, observer=observer, on_capacity=on_capacity, limit_s=clients.BEAT_LIMIT_S)
        yield DynamoDBStore(client, beats, table_prefix=table_prefix, retention=retention, clock=clock)
