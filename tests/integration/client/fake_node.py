"""A node that says what a test tells it to say, over a real socket."""

import asyncio
import http
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from streamer.client import Session, connect

WELCOME = {
    "type": "welcome",
    "connection_id": "boot.abc",
    "node_id": "boot",
    "heartbeat_ms": 20_000,
    "limits": {"message_bytes": 131_072, "in_flight": 64, "rate": 100},
    "reconnect": {"min_ms": 0, "max_ms": 1000},
    "inbox": [],
    "timestamp": 1.0,
}


class FakeNode:
    """Collects what a client sends in `heard`; says what a test puts into `say`."""

    def __init__(self, *, first: Any = WELCOME, subprotocols: Sequence[str] = ("streamer.v1",)) -> None:
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.headers: list[Any] = []  # of every handshake
        self.refusal: tuple[int, str, dict[str, str]] | None = None  # status, body, headers
        self.url = ""
        self._first = first
        self._subprotocols = [Subprotocol(name) for name in subprotocols]
        self._socket: ServerConnection | None = None
        self._server: Server | None = None

    @property
    def socket(self) -> ServerConnection:
        assert self._socket is not None
        return self._socket

    async def say(self, frame: Any) -> None:
        await self.socket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(10):
            return await self.heard.get()

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeNode"]:
        server = serve(
            self._serve, "127.0.0.1", 0, process_request=self._process, subprotocols=self._subprotocols or None
        )
        async with server as listening:
            self.url = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/ws"
            yield self

    def _process(self, _socket: ServerConnection, request: Request) -> Response | None:
        self.headers.append(request.headers)
        if self.refusal is None:
            return None
        status, body, headers = self.refusal
        length = {"Content-Length": str(len(body.encode()))}
        return Response(status, http.HTTPStatus(status).phrase, Headers(headers | length), body.encode())

    async def _serve(self, socket: ServerConnection) -> None:
        self._socket = socket
        try:
            if self._first is not None:
                await self.say(self._first)
            while True:
                self.heard.put_nowait(json.loads(await socket.recv()))
        except ConnectionClosed:
            return


@asynccontextmanager
async def session_with_node() -> AsyncIterator[tuple[Session, FakeNode]]:
    async with FakeNode().running() as node, connect(node.url) as session:
        yield session, node
