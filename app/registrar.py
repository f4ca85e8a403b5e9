"""The rows of this node's connections: written behind their back, because no socket waits for the store."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from itertools import islice
from typing import Final

import structlog

from app.chore import Chore
from app.hub import Hub
from streamer.errors import StoreUnavailable
from streamer.store.base import Connection, ConnectionStore, now_ms

log = structlog.get_logger()

SETTLE_S: Final = 0.5
"""A client that comes back takes up its former connection within that time, and a row under the id that it was greeted
with would be written only to be removed."""
WIDTH: Final = 16
"""Rows written at a time."""
MAX_REMOVED: Final = 10_000
"""Rows that wait to be removed; beyond that the oldest are left to expire by themselves, within a day."""
REMOVED_AT_ONCE: Final = 100
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
        self._rows: dict[str, Connection] = {}  # of the open connections, by id
        self._settling: dict[str, asyncio.TimerHandle] = {}  # whose row nobody looks for as yet
        self._to_save: dict[str, None] = {}  # in order
        self._to_remove: dict[str, int] = {}  # id -> reconnects of its binding, in order
        self._chore = Chore(self.flush, self._not_saved)
        self._turn = asyncio.Lock()  # a row that is being saved is not removed at the same time

    def add(self, row: Connection) -> None:
        """A connection was opened; its row is saved soon."""
        self._rows[row.connection_id] = row
        loop = asyncio.get_running_loop()
        self._settling[row.connection_id] = loop.call_later(SETTLE_S, self.keep, row.connection_id)

    def keep(self, connection_id: str) -> None:
        """From now on somebody may look for this connection: its row is saved at once, if it is not by now."""
        timer = self._settling.pop(connection_id, None)
        if timer is not None:
            timer.cancel()
            self._to_save[connection_id] = None
            self._chore.due()

    def remove(self, connection_id: str) -> None:
        """Also where it was not saved, as far as we know: a save without an answer may have been applied."""
        row = self._rows.pop(connection_id, None)
        timer = self._settling.pop(connection_id, None)
        if timer is not None:
            timer.cancel()
        elif row is not None:
            self._to_save.pop(connection_id, None)
            self._remove_later(connection_id, row.reconnects)

    async def rebind(self, given: str, connection_id: str, reconnects: int) -> Connection | None:
        """Binds the connection that was `given` an id here under a former id of its client, by one write.

        Returns the row of the binding before, if there was one. Raises StaleBinding, StoreUnavailable; the connection
        then keeps the id that it was given.
        """
        row = replace(self._rows[given], connection_id=connection_id, reconnects=reconnects)
        former = await self._connections.rebind(row)
        if given in self._rows:
            self.remove(given)
            self._rows[connection_id] = row
        else:  # the socket is gone
            self._remove_later(connection_id, reconnects)
        return former

    async def run(self) -> None:
        """Works for ever."""
        await self._chore.run()

    async def flush(self) -> None:
        """Writes everything that waits. Raises StoreUnavailable; what was not written then waits on."""
        async with self._turn:
            while self._to_save or self._to_remove:
                if self._to_save:
                    await self._save(list(islice(self._to_save, WIDTH)))
                else:
                    await self._remove(dict(islice(self._to_remove.items(), REMOVED_AT_ONCE)))

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

    def _not_saved(self, error: StoreUnavailable) -> None:
        log.info("connections_not_saved", waiting=len(self._to_save), reason=str(error))

    def _remove_later(self, connection_id: str, reconnects: int) -> None:
        self._to_remove[connection_id] = max(reconnects, self._to_remove.get(connection_id, 0))
        if len(self._to_remove) > MAX_REMOVED:
            del self._to_remove[next(iter(self._to_remove))]
        self._chore.due()

    async def _save(self, ids: Collection[str]) -> None:
        rows = [self._rows[connection_id] for connection_id in ids]
        results = await asyncio.gather(*(self._connections.save(row) for row in rows), return_exceptions=True)
        for connection_id, result in zip(ids, results, strict=True):
            if result is None:
                self._to_save.pop(connection_id, None)
        for result in results:
            if result is not None:
                raise result

    async def _remove(self, bindings: dict[str, int]) -> None:
        await self._connections.delete(bindings, self._node_id)
        for connection_id, reconnects in bindings.items():
            if self._to_remove.get(connection_id) == reconnects:
                del self._to_remove[connection_id]
