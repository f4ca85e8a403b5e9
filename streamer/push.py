"""Messages from your back ends to connections: to one, or to all of a user or a tenant.

from streamer.push import pushing

async with pushing() as push:
    await push.send(connection_id, {"type": "notice", "text": "Your invoice is ready."})
    await push.broadcast({"type": "notice", "text": "We are back."}, tenant="acme")
"""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final

import orjson

from streamer.cluster.calls import Caller, Gone, Unreachable
from streamer.cluster.pace import RATE, Pace
from streamer.cluster.presence import Presence
from streamer.cluster.registry import APP, Peers
from streamer.jobs import ids
from streamer.process import cluster_keys
from streamer.settings import Settings
from streamer.store.base import Connection, ConnectionStore
from streamer.store.open import open_store

WIDTH: Final = 16
"""Messages of one broadcast that are under way at a time."""
TOTAL_S: Final = 3.0
"""Of one call: longer than what a node gives another one to which it passes it on."""

Post = Callable[[str, str, bytes], Awaitable[bytes]]
"""`Caller.post`: endpoint, path, body."""


@dataclass(frozen=True, slots=True)
class Broadcast:
    """What became of a broadcast, counted in connections."""

    sent: int  # handed to the socket
    gone: int  # closed meanwhile
    failed: int  # may have been sent or not
    fault: Unreachable | None = None  # why the first of those failed


class Push:
    """Calls the management API, `/@connections`, of the nodes. Made by `pushing`.

    A message is bytes, sent as they are, or anything that is JSON. It is sent at most once, and not stored.
    """

    def __init__(
        self, post: Post, connections: ConnectionStore, peers: Peers, *, pace: Callable[[int], Pace] = Pace
    ) -> None:
        self._post = post
        self._peers = peers
        self._presence = Presence(connections, peers)
        self._pace = pace

    async def send(self, connection_id: str, data: Any) -> None:
        """Returns when the message was handed to the socket.

        Raises Gone, Unreachable (its `status` tells a message that is too big, 413, or a client that reads too
        slowly, 429, from a node that does not answer, None), StoreUnavailable, and TypeError where it is not JSON.
        """
        body = encoded(data)
        if not ids.CONNECTION_ID.fullmatch(connection_id):  # nor is it put into a path
            raise Gone(connection_id)
        await self._send(connection_id, await self._presence.find(connection_id), body)

    async def broadcast(self, data: Any, *, tenant: str, user: str | None = None, rate: int = RATE) -> Broadcast:
        """Sends to all connections of a tenant, or of one user of it, at most `rate` a second; the oldest first.

        Who comes or moves meanwhile may miss it. Raises StoreUnavailable before anything was sent, TypeError where
        it is not JSON, ValueError for a rate below 1.
        """
        body, pace = encoded(data), self._pace(rate)
        rows = iter(await self._connected(tenant, user))
        faults: list[Gone | Unreachable | None] = []

        async def send_some() -> None:
            for row in rows:  # all share one iterator: each takes the next
                await pace.turn()
                faults.append(await self._fault(row, body))

        async with asyncio.TaskGroup() as group:
            for number in range(WIDTH):
                group.create_task(send_some(), name=f"broadcast {number}")
        return _counted(faults)

    async def _connected(self, tenant: str, user: str | None) -> Sequence[Connection]:
        if user is None:
            return await self._presence.of_tenant(tenant)
        return await self._presence.of_user(tenant, user)

    async def _fault(self, row: Connection, body: bytes) -> Gone | Unreachable | None:
        try:
            await self._send(row.connection_id, row, body)
        except (Gone, Unreachable) as fault:
            return fault
        return None

    async def _send(self, connection_id: str, row: Connection | None, body: bytes) -> None:
        """To the node that holds it; where none is known, any node knows whom to ask."""
        holder = None if row is None else self._peers.endpoint(row.node_id)
        await self._post(holder or self._any_node(), f"/@connections/{connection_id}", body)

    def _any_node(self) -> str:
        nodes = self._peers.rows()
        staying = [node for node in nodes if not node.info.get("draining")]
        endpoints: list[str] = [node.info["endpoint"] for node in staying or nodes if "endpoint" in node.info]
        if not endpoints:
            raise Unreachable("no node is there")
        return random.choice(endpoints)  # noqa: S311  # spreads load, guards nothing


def encoded(data: Any) -> bytes:
    """The message as it goes to the socket. Raises TypeError where it is neither bytes nor JSON."""
    return data if isinstance(data, bytes) else orjson.dumps(data)


def _counted(faults: Sequence[Gone | Unreachable | None]) -> Broadcast:
    failed = [fault for fault in faults if isinstance(fault, Unreachable)]
    gone = sum(isinstance(fault, Gone) for fault in faults)
    return Broadcast(faults.count(None), gone, len(failed), failed[0] if failed else None)


@asynccontextmanager
async def pushing(settings: Settings | None = None) -> AsyncIterator[Push]:
    """A `Push` on the store and with the cluster key of these settings (None: those of the environment).

    Opening asks nobody. Raises ConfigurationError in a sentence.
    """
    chosen = settings or Settings.read()
    key = cluster_keys(chosen)[0]
    async with (
        open_store(chosen.store, table_prefix=chosen.table_prefix) as store,
        Caller(key, total_s=TOTAL_S) as caller,
    ):
        yield Push(caller.post, store.connections, Peers(store.nodes, APP))
