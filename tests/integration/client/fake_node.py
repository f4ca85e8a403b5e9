"""A node that says what a test tells it to say, over real sockets."""

import asyncio
import http
import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from streamer.client import Session, connect
from tests.support.until import until

WELCOME = {
    "type": "welcome",
    "connection_id": "boot.abc",
    "node_id": "boot",
    "heartbeat_ms": 20_000,
    "limits": {"message_bytes": 131_072, "in_flight": 64, "rate": 100},
    "reconnect": {"min_ms": 0, "max_ms": 0},
    "inbox": [],
    "timestamp": 1.0,
}
Refusal = tuple[int, str, dict[str, str]]  # status, body, headers


def of_job(kind: str, request_id: str, seq: int, *, attempt: int = 1, **fields: Any) -> dict[str, Any]:
    place = {"request_id": request_id, "job_id": "j", "attempt": attempt, "seq": seq, "timestamp": 1.0}
    return {"type": kind, **place, **fields}


def acknowledgment(request_id: str) -> dict[str, Any]:
    return of_job("acknowledgment", request_id, 0, attempt=0, status="queued", state="PENDING")


def chunk(request_id: str, index: int, *, seq: int | None = None, attempt: int = 1) -> dict[str, Any]:
    return of_job("chunk", request_id, index + 1 if seq is None else seq, attempt=attempt, index=index, data=index)


def complete(request_id: str, seq: int, result: Any, *, chunks: int = 0) -> dict[str, Any]:
    return of_job("complete", request_id, seq, success=True, result=result, chunks=chunks)


def response(request_id: str, data: Any) -> dict[str, Any]:
    return {"type": "response", "request_id": request_id, "success": True, "data": data, "timestamp": 1.0}


def refusal(code: str, request_id: str | None = None, *, after_ms: int | None = None) -> dict[str, Any]:
    retry = {"retryable": after_ms is not None} | ({} if after_ms is None else {"after_ms": after_ms})
    frame = {"type": "error", "error": {"code": code, "message": "no", "retry": retry}, "final": False, "timestamp": 1}
    return frame if request_id is None else frame | {"request_id": request_id}


class FakeNode:
    """Collects what a client sends in `heard`; says what a test puts into `say`, on the newest socket."""

    def __init__(self, *, first: Any = WELCOME, subprotocols: Sequence[str] = ("streamer.v1",)) -> None:
        self.first = first  # what is said on every socket; None: nothing
        self.heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.headers: list[Any] = []  # of every handshake
        self.refusal: Refusal | None = None  # of every handshake from now on
        self.refusals: deque[Refusal] = deque()  # of the next ones
        self.sockets: list[ServerConnection] = []  # all there were
        self.url = ""
        self._subprotocols = [Subprotocol(name) for name in subprotocols]
        self._server: Server | None = None

    @property
    def socket(self) -> ServerConnection:
        return self.sockets[-1]

    async def say(self, *frames: Any) -> None:
        for frame in frames:
            await self.socket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    async def next(self) -> dict[str, Any]:
        async with asyncio.timeout(20):
            return await self.heard.get()

    async def cut(self) -> None:
        """Ends the newest socket as a dead machine does, and returns when the next one is there."""
        self.socket.transport.abort()
        await self.joined(len(self.sockets) + 1)

    async def joined(self, sockets: int) -> None:
        """Returns when there were so many sockets."""
        await until(lambda: len(self.sockets) >= sockets, what=f"{sockets} sockets")

    async def resumed(self, *request_ids: str, connection_id: str = "boot.abc", recovered: bool = True) -> Any:
        """The next frame, which must be a `resume`; these requests are there."""
        frame = await self.next()
        assert frame["type"] == "resume"
        entries = [{"request_id": name, "job_id": "j", "recovered": recovered} for name in request_ids]
        await self.say({"type": "resumed", "connection_id": connection_id, "requests": entries, "timestamp": 1.0})
        return frame

    @asynccontextmanager
    async def running(self) -> AsyncIterator["FakeNode"]:
        server = serve(
            self._serve,
            "127.0.0.1",
            0,
            process_request=self._process,
            subprotocols=self._subprotocols or None,
            ping_interval=None,
        )
        async with server as listening:
            self.url = f"ws://127.0.0.1:{listening.sockets[0].getsockname()[1]}/ws"
            yield self

    def _process(self, _socket: ServerConnection, request: Request) -> Response | None:
        self.headers.append(request.headers)
        refused = self.refusals.popleft() if self.refusals else self.refusal
        if refused is None:
            return None
        status, body, headers = refused
        length = {"Content-Length": str(len(body.encode()))}
        return Response(status, http.HTTPStatus(status).phrase, Headers(headers | length), body.encode())

    async def _serve(self, socket: ServerConnection) -> None:
        self.sockets.append(socket)
        try:
            if self.first is not None:
                await self.say(self.first)
            while True:
                self.heard.put_nowait(json.loads(await socket.recv()))
        except ConnectionClosed:
            return


@asynccontextmanager
async def session_with_node(**options: Any) -> AsyncIterator[tuple[Session, FakeNode]]:
    """`options` are those of `connect`."""
    async with FakeNode().running() as node, connect(node.url, **options) as session:
        yield session, node
