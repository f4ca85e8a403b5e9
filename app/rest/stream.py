"""`GET /v1/requests/{id}/events`: what comes of a request, as Server-Sent Events."""

import asyncio
import random
import time
from typing import Final

import orjson
import structlog
from starlette.responses import Response

from app import endpoint, handshake
from app.outbox import Message
from app.rest import answers, events
from app.rest.call import Call, ask
from app.rest.reply import kind_of
from streamer.auth import Principal
from streamer.jobs import ids
from streamer.jobs.model import Job
from streamer.protocol.messages import Seen

log = structlog.get_logger()

KEEP_ALIVE_S: Final = 15.0
_HEADERS: Final = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),  # nginx would keep events back
)


async def follow(call: Call) -> Response | None:
    """All that its caller lacks of a request, and what comes of it, to its outcome. None: it was streamed."""
    principal = await call.admit()
    seen = events.seen(call.request.headers.get("last-event-id"), call.name)
    row = await call.node.states.find(principal, call.name)
    if row.finished and (seen.attempt, seen.seq) >= (row.attempt, row.seq):
        return Response(status_code=204, headers=answers.HEADERS)
    return await Stream(call, principal, row, seen).run()


class Stream:
    """A connection whose outbox writes events to a response. What sockets have holds here too: back-pressure, the
    bound of what waits, and the end of a reader who is too slow.

    * `_encoder`: numbers what was sent.
    * `_is_started`: the response has begun; before that the call can still be refused.
    * `_refusal`: the frame by which it was; None while it was not.
    * `_over`: done when nothing more is to be sent, or the client reads too slowly.
    """

    def __init__(self, call: Call, principal: Principal, row: Job, seen: Seen) -> None:
        self._call = call
        self._frame = _asking(principal, row, seen)
        self._encoder = events.Encoder(seen.chunks)
        self._is_started = False
        self._refusal: str | None = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection = call.connection(
            principal, self._send, speaks_v1=True, listens=True, on_overflow=self._overflow
        )
        self._about = {"connection": self._connection.connection_id, "job_id": row.job_id}  # in the log

    async def run(self) -> Response | None:
        """Streams until the outcome was sent, the client has gone, or the connection is closed. Returns the refusal
        where it was not begun."""
        gone = asyncio.create_task(self._call.gone(), name=f"caller of {self._connection.connection_id}")
        try:
            await self._stay(gone)
        finally:
            gone.cancel()
        if self._is_started:  # waits for a slow reader, of whom nothing is kept here any more
            await self._call.send({"type": "http.response.body", "body": b"", "more_body": False})
            return None
        if self._refusal is not None:
            return answers.of_error(self._refusal)
        raise handshake.draining()  # or the caller has gone, and is told nothing

    async def _stay(self, gone: asyncio.Task[None]) -> None:
        node, connection = self._call.node, self._connection
        name = f"stream of {connection.connection_id}"
        with self._call.attending(connection), node.metrics.http_streams.track_inprogress():
            log.info("stream_opened", **self._about)
            alive = node.tasks.start(self._keep_alive(), name)
            node.tasks.start(ask(node, connection, self._frame), name)
            try:
                await asyncio.wait([gone, self._over], return_when=asyncio.FIRST_COMPLETED)
            finally:
                alive.cancel()
                seconds = round(time.monotonic() - connection.opened, 3)
                log.info("stream_closed", **self._about, is_over=self._encoder.is_over, seconds=seconds)

    async def _send(self, message: Message) -> None:
        """ASGI's `send` of a socket."""
        if message["type"] == "websocket.close":
            self._end()
            return
        text = message["text"]
        event = self._encoder.event(text)
        if event is None:
            await self._hear(text)
            return
        await self._start()
        await self._write(event)
        if self._encoder.is_over:
            self._end()

    async def _hear(self, text: str) -> None:
        """What is said of the connection, not of the job: whether it is let in."""
        kind = kind_of(text)
        if kind == "subscribed" or (kind == "resumed" and orjson.loads(text)["requests"]):
            await self._start()
        elif kind == "error" and not self._is_started:
            self._refusal = text
            self._end()

    async def _start(self) -> None:
        if self._is_started:
            return
        self._is_started = True
        await self._call.send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        low, high = endpoint.reconnect_ms(self._call.node)
        await self._write(events.retry(random.randint(low, high)))  # noqa: S311  # spreads load, guards nothing

    async def _write(self, body: bytes) -> None:
        await self._call.send({"type": "http.response.body", "body": body, "more_body": True})

    async def _keep_alive(self) -> None:
        while True:
            await asyncio.sleep(KEEP_ALIVE_S)
            if self._is_started and self._connection.outbox.writer is None:
                self._connection.outbox.put(events.KEEP_ALIVE.encode())

    def _end(self) -> None:
        if not self._over.done():
            self._over.set_result(None)

    def _overflow(self) -> None:
        self._call.node.metrics.slow_readers.inc()
        self._end()


def _asking(principal: Principal, row: Job, seen: Seen) -> str:
    """The frame by which a socket would ask for the same: its own request, or somebody's job."""
    counts = {"attempt": seen.attempt, "seq": seen.seq, "chunks": seen.chunks}
    if ids.job_id(principal.tenant, principal.user, row.client_id) == row.job_id:
        request = {"request_id": row.client_id, **counts}
        return orjson.dumps({"type": "resume", "requests": [request]}).decode()
    return orjson.dumps({"type": "subscribe", "job_id": row.job_id, **counts}).decode()
