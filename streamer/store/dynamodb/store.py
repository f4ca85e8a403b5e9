"""The DynamoDB engine, put together."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from streamer.store.admin import Admin
from streamer.store.administration import StoredAdmin
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
from streamer.store.dynamodb.admin import DynamoDBAdminRows
from streamer.store.dynamodb.client import Client, OnCapacity
from streamer.store.dynamodb.clock import DateCompared
from streamer.store.dynamodb.connections import DynamoDBConnections
from streamer.store.dynamodb.feed import DynamoDBFeeds
from streamer.store.dynamodb.nodes import DynamoDBNodes
from streamer.store.dynamodb.rows import DynamoDBRows
from streamer.store.dynamodb.side_items import DynamoDBSideItems
from streamer.store.dynamodb.subscriptions import DynamoDBSubscriptions
from streamer.store.feed import Feeds
from streamer.store.inbox import StoredInbox
from streamer.store.log import StoredLog
from streamer.store.queue import JobQueue, Retention
from streamer.store.revocations import RevocationStore
from streamer.store.revoked import StoredRevocations
from streamer.store.turns import StoredTurns


class DynamoDBStore:
    """`Store` on the tables of one prefix. `beats` is a client of its own for the registry's counters, `streams`
    one of DynamoDB Streams; `dates` watches the clock by the answers to beats."""

    def __init__(
        self,
        client: Client,
        beats: Client,
        streams: Client,
        *,
        table_prefix: str,
        retention: Retention,
        clock: Callable[[], int],
        dates: DateCompared | None = None,
    ) -> None:
        self._client = client
        self._dates = dates
        self._tables = keys.TableNames(table_prefix)
        rows = DynamoDBRows(client, self._tables)
        side_items = DynamoDBSideItems(client, self._tables, clock=clock)
        self.events: EventLog = StoredLog(side_items, clock=clock, ttl_ms=retention.outcome_ms)
        self.inbox: Inbox = StoredInbox(side_items, clock=clock)
        self.nodes: NodeRegistry = DynamoDBNodes(client, beats, self._tables)
        self.revocations: RevocationStore = StoredRevocations(self.nodes, clock=clock)
        self.turns: Turnstile = StoredTurns(self.nodes, clock=clock)
        self.feeds: Feeds | None = DynamoDBFeeds(client, streams, self._tables, clock=clock)
        self.requests: RequestQueue = JobQueue(
            rows, inbox=self.inbox, turns=self.turns, clock=clock, retention=retention
        )
        self.connections: ConnectionStore = DynamoDBConnections(client, self._tables, clock=clock)
        self.subscriptions: SubscriptionStore = DynamoDBSubscriptions(client, self._tables, clock=clock)
        self.admin: Admin = StoredAdmin(
            rows,
            DynamoDBAdminRows(client, self._tables),
            requests=self.requests,
            connections=self.connections,
            inbox=self.inbox,
            clock=clock,
        )

    @property
    def clock_offset_s(self) -> float | None:
        return None if self._dates is None else self._dates.offset_s

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
    make = partial(Client, observer=observer, on_capacity=on_capacity)
    connect_calls, connect_beats = (partial(clients.connected, config) for config in (clients.CALLS, clients.BEATS))
    connect_streams = partial(clients.connected, clients.CALLS, "dynamodbstreams")
    async with AsyncExitStack() as stack:
        client = make(await stack.enter_async_context(clients.on_demand(connect_calls, at_once=True)))
        dates = DateCompared(clock)
        send_beat = dates.watching(await stack.enter_async_context(clients.on_demand(connect_beats, at_once=True)))
        beats = make(send_beat, limit_s=clients.BEAT_LIMIT_S)
        streams = make(await stack.enter_async_context(clients.on_demand(connect_streams)))
        yield DynamoDBStore(
            client, beats, streams, table_prefix=table_prefix, retention=retention, clock=clock, dates=dates
        )
