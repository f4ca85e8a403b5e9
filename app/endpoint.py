"""`/ws`: where a client comes in."""

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final

import orjson
import structlog

from app import handshake, stay
from app.connection import Connection
from app.expiry import Expiry
from app.handshake import Hello, Refused
from app.node import Node
from app.outbox import Outbox, Send
from app.reader import Reader
from streamer.auth import Principal
from streamer.errors import Forbidden, Unauthorized
from streamer.jobs import ids
from streamer.protocol import frames
from streamer.protocol.codes import VERSION_1
from streamer.settings import Settings
from streamer.store.base import Connection as Row
from streamer.store.base import now_ms
from streamer.telemetry import audit

log = structlog.get_logger()

HEARTBEAT_MS: Final = 25_000
"""A client that heard nothing for so long should ping; the server's own pings, every 20 s, are not seen by a page."""
RECONNECT_MIN_MS: Final = 100
RECONNECT_SPREAD_MS: Final = 1_000
RECONNECT_PER_SOCKET_MS: Final = 1
"""After a crash all sockets of a node come back at once: the window lets through about 1,000 in a second."""
RECONNECT_MAX_MS: Final = 30_000
MAX_USER_AGENT: Final = 256

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Inbox = Sequence[Mapping[str, Any]] | None
"""What the welcome offers; None: it does not say."""


class Endpoint:
    """The ASGI application of one path: called once per socket, from its handshake to its end."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        node: Node = scope["state"]["node"]
        hello = Hello.read(scope, node.proxies)
        await receive()  # websocket.connect
        try:
            principal = await _admit(node, hello)
        except Refused as refused:
            node.metrics.handshakes.labels(refused.result).inc()
            if isinstance(refused.error, Unauthorized | Forbidden):
                audit.record("refused", None, result=refused.error.code, frame="handshake", source_ip=hello.address)
            await _turn_away(scope, send, hello, refused)
            return
        try:
            await send({"type": "websocket.accept", "subprotocol": VERSION_1 if hello.speaks_v1 else None})
            inbox = await node.inboxes.offered(principal) if hello.speaks_v1 else None
        except BaseException:
            node.seats.leave(principal)
            raise
        node.metrics.handshakes.labels("accepted").inc()
        socket = Socket(node, principal, hello, send)
        socket.open(row(node, socket.connection, hello), inbox)
        max_bytes = node.settings.max_message_bytes
        await Reader(socket.connection, receive, node.dispatch.take, socket.closed, max_bytes=max_bytes).run()


class Socket:
    """An accepted socket: announces its connection to the node, and takes it back."""

    def __init__(self, node: Node, principal: Principal, hello: Hello, send: Send) -> None:
        connection_id = ids.connection_id(node.node_id)
        outbox = Outbox(send, connection_id, node.metrics.slow_readers.inc)
        allowance = node.allowances.of(principal, time.monotonic())
        self.connection = Connection(
            connection_id, principal, outbox, allowance, speaks_v1=hello.speaks_v1, on_gap=node.fillings.gap
        )
        self._node = node
        self._expiry = Expiry(self.connection, node.settings.token_grace_s)
        self.connection.renewed = self._expiry.start

    def open(self, row: Row, inbox: Inbox) -> None:
        """From here on frames may come for it; the welcome is the first one."""
        node, connection = self._node, self.connection
        stay.begin(node, connection, row)
        if connection.speaks_v1:
            connection.outbox.put(_welcome(node, connection, inbox))
        self._expiry.start()
        principal = connection.principal
        log.info("connection_opened", connection=row.connection_id, tenant=principal.tenant, user=principal.user)

    def closed(self, code: int) -> None:
        """The socket is gone."""
        node, connection = self._node, self.connection
        self._expiry.cancel()
        connection.outbox.abandon()
        node.seats.leave(connection.principal)
        stay.end(node, connection)
        seconds = round(time.monotonic() - connection.opened, 3)
        log.info("connection_closed", connection=connection.connection_id, code=int(code), seconds=seconds)


async def _admit(node: Node, hello: Hello) -> Principal:
    if node.health.is_draining:
        raise handshake.draining()
    principal = await node.doorkeeper.admit(hello)
    if not node.seats.take(principal):
        raise handshake.full()
    return principal


async def _turn_away(scope: Scope, send: Send, hello: Hello, refused: Refused) -> None:
    if hello.sees_closes_only:
        await send({"type": "websocket.accept", "subprotocol": VERSION_1})
        await send({"type": "websocket.close", "code": int(refused.close), "reason": refused.error.message})
    elif "websocket.http.response" in scope.get("extensions", {}):
        body = orjson.dumps({"error": refused.error.message, "code": refused.error.code})
        headers = {"content-type": "application/json", "content-length": str(len(body)), **refused.headers}
        raw = [(name.encode(), value.encode()) for name, value in headers.items()]
        await send({"type": "websocket.http.response.start", "status": refused.status, "headers": raw})
        await send({"type": "websocket.http.response.body", "body": body})
    else:
        await send({"type": "websocket.close"})  # the server says 403


def row(node: Node, connection: Connection, hello: Hello) -> Row:
    """What the store keeps of a connection of this node."""
    now = now_ms()
    return Row(
        connection_id=connection.connection_id,
        node_id=node.node_id,
        tenant=connection.principal.tenant,
        user=connection.principal.user,
        connected_ms=now,
        last_ping_ms=now,
        source_ip=hello.address,
        user_agent=hello.headers.get("user-agent", "")[:MAX_USER_AGENT],
    )


def reconnect_ms(node: Node) -> tuple[int, int]:
    """The window of the first try after a loss without warning, in milliseconds."""
    spread_ms = RECONNECT_SPREAD_MS + RECONNECT_PER_SOCKET_MS * len(node.hub)
    return RECONNECT_MIN_MS, min(RECONNECT_MAX_MS, spread_ms)


def _limits(settings: Settings) -> Mapping[str, int]:
    limits = {
        "message_bytes": settings.max_message_bytes,
        "in_flight": settings.max_in_flight,
        "rate": int(settings.rate_limit),
    }
    return {**limits, "user_rate": int(settings.rate_limit_per_user)} if settings.rate_limit_per_user else limits


def _welcome(node: Node, connection: Connection, inbox: Inbox) -> bytes:
    settings = node.settings
    return frames.welcome(
        connection.connection_id,
        node.node_id,
        time.time(),
        heartbeat_ms=HEARTBEAT_MS,
        token_expires_at=connection.principal.expires,
        limits=_limits(settings),
        reconnect_ms=reconnect_ms(node),
        inbox=inbox,
    )
