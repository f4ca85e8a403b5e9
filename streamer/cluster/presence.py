"""Who is connected: the rows of connections whose nodes live."""

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from streamer.cluster.registry import Peers
from streamer.store.base import Connection, ConnectionStore

FRESH_S: Final = 3.0
"""For so long a node that came is not known yet, and one that left still is."""


class Presence:
    """Leaves out the rows that a node left behind when it died; deletes nothing. All of it raises StoreUnavailable.

    `peers` are the app nodes: read again by whoever asks, at most every 3 s.
    """

    def __init__(
        self, connections: ConnectionStore, peers: Peers, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._connections = connections
        self._peers = peers
        self._clock = clock
        self._read_at: float | None = None  # when the peers were asked for last; None: not yet, or that failed

    async def of_user(self, tenant: str, user: str) -> Sequence[Connection]:
        """A user's connections, the oldest first; may be late by a moment."""
        return await self._held(await self._connections.list_by_user(tenant, user))

    async def of_tenant(self, tenant: str) -> Sequence[Connection]:
        """A tenant's connections, the oldest first; may be late by a moment."""
        return await self._held(await self._connections.list_by_tenant(tenant))

    async def find(self, connection_id: str) -> Connection | None:
        """The row of one connection."""
        row = await self._connections.get(connection_id)
        held = await self._held([] if row is None else [row])
        return held[0] if held else None

    async def _held(self, rows: Iterable[Connection]) -> Sequence[Connection]:
        """Nodes are read after rows: one that came in between is known."""
        await self._refresh()
        return [row for row in rows if self._peers.get(row.node_id) is not None]

    async def _refresh(self) -> None:
        now = self._clock()
        if self._read_at is not None and now - self._read_at < FRESH_S:
            return
        await self._peers.refresh()
        self._read_at = now
