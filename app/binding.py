"""Which of a client's places a connection is: the new one that it was given here, or the one that it had before."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import orjson
import structlog

from app.connection import Connection
from app.hub import Hub
from app.owners import Post
from app.registrar import Registrar
from app.tasks import Tasks
from streamer.cluster.calls import Gone, Unreachable
from streamer.cluster.registry import Peers
from streamer.protocol.codes import Close
from streamer.store.base import StaleBinding

log = structlog.get_logger()

LET_GO: Final = "/internal/let-go"
MOVED: Final = "the connection moved"


class Bindings:
    """Takes up connections that were elsewhere, and lets go of those that are taken up elsewhere.

    `gate`: how many resumes this node admits to the store at a time.
    """

    def __init__(
        self,
        *,
        node_id: str,
        hub: Hub,
        registrar: Registrar,
        nodes: Peers,
        post: Post,
        tasks: Tasks,
        gate: asyncio.Semaphore,
    ) -> None:
        self._node_id = node_id
        self._hub = hub
        self._registrar = registrar
        self._nodes = nodes
        self._post = post
        self._tasks = tasks
        self._gate = gate
        self._under_way: dict[Connection, asyncio.Future[None]] = {}  # whose id is about to change

    async def settled(self, connection: Connection) -> None:
        """Waits while the id of this connection is about to change: whatever goes by its id comes after that."""
        while (under_way := self._under_way.get(connection)) is not None:
            await asyncio.wait([under_way])

    async def take_up(self, connection: Connection, connection_id: str, reconnects: int) -> None:
        """The client was `connection_id`, and comes back for the so-manieth time: so it is that again.

        It keeps the id that it was given where that binding is stale or another user's, and where something goes by
        its id already. Raises StoreUnavailable.
        """
        if connection_id == connection.connection_id or connection.reconnects or not connection.is_fresh:
            return
        under_way = self._under_way[connection] = asyncio.get_running_loop().create_future()
        try:
            async with self._gate:
                await self._rebind(connection, connection_id, reconnects)
        except StaleBinding:
            log.info("connection_not_rebound", connection=connection.connection_id, n=reconnects)
        finally:
            del self._under_way[connection]
            under_way.set_result(None)

    async def _rebind(self, connection: Connection, connection_id: str, reconnects: int) -> None:
        given = connection.connection_id
        if not self._is_here(connection):
            return
        former = await self._registrar.rebind(given, connection_id, reconnects)
        if not self._is_here(connection):
            return
        here = self._hub.rebind(connection, connection_id, reconnects)
        log.info("connection_rebound", connection=connection_id, given=given, n=reconnects)
        if here is not None:
            here.outbox.close(Close.NORMAL, MOVED)
        if former is not None and former.node_id != self._node_id:
            self._tell(former.node_id, connection_id, reconnects)

    def _is_here(self, connection: Connection) -> bool:
        return self._hub.get(connection.connection_id) is connection

    # --- who had it before ----------------------------------------------------------------------------------

    def _tell(self, node_id: str, connection_id: str, reconnects: int) -> None:
        endpoint = self._nodes.endpoint(node_id)
        if endpoint is not None:
            body = orjson.dumps({"connections": [{"id": connection_id, "n": reconnects}]})
            self._tasks.start(self._send(endpoint, body), f"let go {connection_id}")

    async def _send(self, endpoint: str, body: bytes) -> None:
        try:
            await self._post(endpoint, LET_GO, body)
        except (Unreachable, Gone) as error:
            log.info("node_not_told", endpoint=endpoint, path=LET_GO, reason=str(error))

    def let_go(self, body: bytes) -> Mapping[str, Any]:
        """Serves the call of a node that took connections up: closes their sockets here, unless these are newer. Their
        rows are not ours any more. Raises ValueError, KeyError or TypeError where the body is not such a call."""
        for binding in orjson.loads(body)["connections"]:
            connection = self._hub.get(binding["id"])
            if connection is not None and connection.reconnects < int(binding["n"]):
                self._hub.remove(connection)  # so its row is left alone, and frames for it are sent on
                connection.outbox.close(Close.NORMAL, MOVED)
        return {}
