"""The rows of this node's connections: written behind their back, because no socket waits for the store."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Final

import structlog

from app.hub import Hub
from streamer.errors import StoreUnavailable
from streamer.store.base import Connection, ConnectionStore, now_ms

log = structlog.get_logger()

WIDTH: Final = 16
"""Rows written at a time."""
MAX_REMOVED: Final = 10_000
"""Rows that wait to be removed; beyond that the oldest are left to expire by themselves, within a day."""
REMOVED_AT_ONCE: Final = 100
FIRST_BACK_OFF_S: Final = 0.5
MAX_BACK_OFF_S: Final = 10.0
PING_S: Final = 6 * 3600.0
"""A row lives a day after its last ping."""


class Registrar:
    """Saves and removes connection rows in the background, again and again while the store is away.

    What waits is bounded: rows to save by the open connections, rows to remove by `MAX_REMOVED`.
    """

    def __init__(
        self, connections: ConnectionStore, node_id: str, hub: Hub, *, clock: Callable[[], int] = now_ms
    ) -> None:
        self._connections = connections
        self._node_id = node_id
        self._hub = hub
        self._clock = clock
        self._to_save: dict[str, Connection] = {}
        self._to_remove: dict[str, None] = {}  # in order
        self._work = asyncio.Event()
        self._turn = asyncio.Lock()  # a row that is being saved is not removed at the same time

    def add(self, row: Connection) -> None:
        self._to_save[row.connection_id] = row
        self._work.set()

    def remove(self, connection_id: str) -> None:
        """Also where it was not saved, as far as we know: a save without an answer may have been applied."""
        self._to_save.pop(connection_id, None)
        self._to_remove[connection_id] = None
        if len(self._to_remove) > MAX_REMOVED:
            del self._to_remove[next(iter(self._to_remove))]
        self._work.set()

    async def run(self) -> None:
        """Works for ever."""
        back_off_s = FIRST_BACK_OFF_S
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                await self.flush()
                back_off_s = FIRST_BACK_OFF_S
            except StoreUnavailable as error:
                log.info("connections_not_saved", waiting=len(self._to_save), reason=str(error))
                self._work.set()
                await asyncio.sleep(back_off_s)
                back_off_s = min(2 * back_off_s, MAX_BACK_OFF_S)

    async def flush(self) -> None:
        """Writes everything that waits. Raises StoreUnavailable; what was not written then waits on."""
        async with self._turn:
            while self._to_save or self._to_remove:
                rows = list(self._to_save.values())[:WIDTH]
                if rows:
                    await self._save(rows)
                else:
                    await self._remove(list(self._to_remove)[:REMOVED_AT_ONCE])

    async def keep_alive(self) -> None:
        """Pings the rows of long-lived connections, for ever."""
        while True:
            await asyncio.sleep(PING_S)
            await self.ping_all()

    async def ping_all(self) -> None:
        started = time.monotonic()
        for connection in self._hub:
            with contextlib.suppress(StoreUnavailable):  # three more pings come before the row is gone
                await self._connections.update_last_ping(connection.connection_id, self._node_id, self._clock())
        log.info("connections_pinged", count=len(self._hub), seconds=round(time.monotonic() - started, 3))

    async def _save(self, rows: list[Connection]) -> None:
        results = await asyncio.gather(*(self._connections.save(row) for row in rows), return_exceptions=True)
        for row, result in zip(rows, results, strict=True):
            if result is None and self._to_save.get(row.connection_id) is row:
                del self._to_save[row.connection_id]
        for result in results:
            if result is not None:
                raise result

    async def _remove(self, ids: list[str]) -> None:
        await self._connections.delete(ids, self._node_id)
        for connection_id in ids:
            self._to_remove.pop(connection_id, None)
