"""The embedded store: every contract over one file."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from streamer.errors import StoreUnavailable
from streamer.store.admin import Admin
from streamer.store.administration import StoredAdmin
from streamer.store.base import (
    ConnectionStore,
    EventLog,
    Inbox,
    NodeRegistry,
    Observer,
    RequestQueue,
    SubscriptionStore,
    Turnstile,
    now_ms,
)
from streamer.store.feed import Feeds
from streamer.store.inbox import StoredInbox
from streamer.store.log import StoredLog
from streamer.store.queue import JobQueue, Retention
from streamer.store.revocations import RevocationStore
from streamer.store.revoked import StoredRevocations
from streamer.store.sqlite import file, schema
from streamer.store.sqlite.admin import SqliteAdminRows
from streamer.store.sqlite.connections import SqliteConnections
from streamer.store.sqlite.engine import Engine
from streamer.store.sqlite.nodes import SqliteNodes
from streamer.store.sqlite.purge import PAUSE_S, Purge
from streamer.store.sqlite.requests import SqliteRows
from streamer.store.sqlite.side_items import SqliteSideItems
from streamer.store.sqlite.subscriptions import SqliteSubscriptions
from streamer.store.turns import StoredTurns

BUSY_TIMEOUT_S: Final = 5.0


class SqliteStore:
    """`store.base.Store` on the file `path`. Made on a running loop, which it belongs to until `close`.

    Opening touches nothing: `create` makes the file or migrates it, and until then every verb raises
    StoreUnavailable. A file of a newer Streamer is refused with ConfigurationError.
    """

    def __init__(
        self,
        path: Path,
        *,
        retention: Retention = Retention(),  # noqa: B008  # immutable
        clock: Callable[[], int] = now_ms,
        observer: Observer | None = None,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        purge_pause_s: float = PAUSE_S,
    ) -> None:
        self._path = path.absolute()
        self._busy_timeout_s = busy_timeout_s
        purge = Purge(clock, purge_pause_s)
        self._engine = Engine(self._path, busy_timeout_s=busy_timeout_s, purge=purge, observer=observer)
        self.rows = SqliteRows(self._engine)
        side_items = SqliteSideItems(self._engine, clock)
        self.events: EventLog = StoredLog(side_items, clock=clock, ttl_ms=retention.outcome_ms)
        self.inbox: Inbox = StoredInbox(side_items, clock=clock)
        self.nodes: NodeRegistry = SqliteNodes(self._engine)
        self.revocations: RevocationStore = StoredRevocations(self.nodes, clock=clock)
        self.turns: Turnstile = StoredTurns(self.nodes, clock=clock)
        self.feeds: Feeds | None = None
        self.requests: RequestQueue = JobQueue(
            self.rows, inbox=self.inbox, turns=self.turns, clock=clock, retention=retention
        )
        self.connections: ConnectionStore = SqliteConnections(self._engine, clock)
        self.subscriptions: SubscriptionStore = SqliteSubscriptions(self._engine, clock)
        self.admin: Admin = StoredAdmin(
            self.rows,
            SqliteAdminRows(self._engine),
            requests=self.requests,
            connections=self.connections,
            inbox=self.inbox,
            clock=clock,
        )

    @property
    def clock_offset_s(self) -> float | None:
        """None: all processes of a file share one clock."""
        return None

    async def check(self) -> None:
        try:
            complete = await self._engine.read("check", schema.is_complete)
        except StoreUnavailable as error:
            raise StoreUnavailable(f"The store file {self._path} does not answer: {error.__cause__}.") from error
        if not complete:
            raise StoreUnavailable(f"The store file {self._path} lacks tables; `streamer tables create` makes them.")

    async def create(self) -> None:
        try:
            await self._engine.observed("create", asyncio.to_thread(file.create, self._path, self._busy_timeout_s))
        except (sqlite3.Error, OSError) as error:
            raise StoreUnavailable(f"The store file {self._path} cannot be made: {error}.") from error

    async def close(self) -> None:
        """Waits until every call is answered; ends the threads and closes the file."""
        await self._engine.close()


@asynccontextmanager
async def open_sqlite(
    path: Path, *, retention: Retention, clock: Callable[[], int], observer: Observer | None
) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(path, retention=retention, clock=clock, observer=observer)
    try:
        yield store
    finally:
        await store.close()
