"""One HTTP call: who makes it, what it says, and the connection that it is to the rest of the node."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import cached_property

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app import endpoint, handshake, stay
from app.connection import Connection
from app.handshake import Hello
from app.limits import Allowance
from app.node import Node
from app.outbox import Outbox
from app.outbox import Send as SendFrame
from streamer.auth import Principal
from streamer.errors import InvalidMessage, PayloadTooLarge, RateLimited
from streamer.jobs import ids
from streamer.protocol.codes import Close


class Call:
    """What the answer to a call is made from. `send` is ASGI's."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.send = send
        self.request = Request(scope, receive)
        self.node: Node = self.request.state.node

    @property
    def name(self) -> str:
        """The request that the path names."""
        return str(self.request.path_params["id"])

    @cached_property
    def hello(self) -> Hello:
        return Hello.of_call(self.request.scope, self.node.proxies)

    async def admit(self, permission: str | None = None) -> Principal:
        """Who is calling. Raises Refused, also where this node is leaving or the caller lacks the permission, and
        RateLimited."""
        if self.node.health.is_draining:
            raise handshake.draining()
        principal = await self.node.doorkeeper.admit(self.hello)
        wait_ms = self.node.allowances.take_call(principal, time.monotonic())
        if wait_ms:
            raise RateLimited(after_ms=wait_ms)
        if not principal.may(permission):
            raise handshake.forbidden(f"This needs the permission {permission}.")
        return principal

    async def body(self) -> bytes:
        """All of it. Raises PayloadTooLarge as soon as it is known to be longer than a frame may be, and InvalidMessage
        where it takes too long to come."""
        limit = self.node.settings.max_message_bytes
        announced = self.request.headers.get("content-length", "0")
        if announced.isdecimal() and int(announced) > limit:
            raise _too_large(limit)
        try:
            async with asyncio.timeout(self.node.settings.handshake_timeout_s):
                return await self._read(limit)
        except TimeoutError:
            raise InvalidMessage("The body did not come in time.") from None

    async def _read(self, limit: int) -> bytes:
        body = bytearray()
        async for part in self.request.stream():
            body += part
            if len(body) > limit:
                raise _too_large(limit)
        return bytes(body)

    async def gone(self) -> None:
        """Waits until the caller has gone away."""
        while (await self.request.receive())["type"] != "http.disconnect":
            pass

    def connection(
        self,
        principal: Principal,
        send: SendFrame,
        *,
        speaks_v1: bool,
        listens: bool,
        on_overflow: Callable[[], None] = lambda: None,
    ) -> Connection:
        """By which this call is known to the dispatch; `send` takes what is said to a socket."""
        node = self.node
        connection_id = ids.connection_id(node.node_id)
        outbox = Outbox(send, connection_id, on_overflow)
        allowance = Allowance(0.0, time.monotonic())  # the call was counted when it was admitted
        on_gap = node.fillings.gap
        return Connection(
            connection_id, principal, outbox, allowance, speaks_v1=speaks_v1, on_gap=on_gap, listens=listens
        )

    @contextlib.contextmanager
    def attending(self, connection: Connection) -> Iterator[None]:
        """Frames may come for it meanwhile, until its token expires. It has a seat like a socket. Raises Refused."""
        node, principal = self.node, connection.principal
        if not node.seats.take(principal):
            raise handshake.full()
        stay.begin(node, connection, endpoint.row(node, connection, self.hello))
        expiry = _closes_at(principal.expires, connection)
        try:
            yield
        finally:
            if expiry is not None:
                expiry.cancel()
            connection.outbox.abandon()
            node.seats.leave(principal)
            stay.end(node, connection)


Handler = Callable[[Call], Awaitable[Response | None]]
"""Answers a call; None: it has done so itself."""


async def ask(node: Node, connection: Connection, text: str) -> None:
    """Has a frame answered, in this task."""
    unfinished = node.dispatch.take(connection, text)
    if unfinished is not None:
        await unfinished


def _closes_at(expires: float | None, connection: Connection) -> asyncio.TimerHandle | None:
    if expires is None:
        return None
    left_s = max(0.0, expires - time.time())
    loop = asyncio.get_running_loop()
    return loop.call_later(left_s, connection.outbox.close, Close.TOKEN_EXPIRED, "the token expired")


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(f"A message has at most {limit} bytes.")
