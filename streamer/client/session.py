"""One connection and its open requests."""

import asyncio
import itertools
import logging
import time
from collections.abc import Mapping
from typing import Any, Final

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from streamer.client import events
from streamer.client.errors import ConnectionLost
from streamer.client.submission import Submission
from streamer.jobs import ids
from streamer.protocol.codes import Close

NO_CLOSE_FRAME: Final = 1006
"""What RFC 6455, section 7.1.5, calls a connection that ended without a close frame."""
FLUSH_S: Final = 5.0
"""How long closing waits for frames that were submitted and not yet sent."""

log = logging.getLogger(__name__)


class Session:
    """Calls actions over one socket; made by `connect`. Any number of requests may be open at once.

    When the connection ends, every open request raises ConnectionLost.
    """

    def __init__(self, socket: ClientConnection, welcome: events.Welcome) -> None:
        self.welcome = welcome
        self.lost: ConnectionLost | None = None  # why nothing works any more; set once, by the reading task
        self._socket = socket
        self._open: dict[str, Submission] = {}  # by request id, until the outcome
        self._pings: dict[int, asyncio.Future[None]] = {}  # not yet answered
        self._ping_ids = itertools.count(1)
        self._outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()  # None: nothing more will follow
        self._tasks: tuple[asyncio.Task[None], ...] = ()

    @property
    def connection_id(self) -> str:
        """This client's place to receive, as the server calls it."""
        return self.welcome.connection_id

    async def call(
        self,
        action: str,
        payload: Any = None,
        *,
        id: str | None = None,  # noqa: A002  # the protocol's word
        options: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """Calls an action, inline or queued, and returns what it answers.

        Raises RequestFailed, ConnectionLost, and TimeoutError after `timeout_s`; the request then goes on at the
        server, and the same `id` asks for it again.
        """
        submission = self.submit(action, payload, id=id, options=options, metadata=metadata)
        try:
            async with asyncio.timeout(timeout_s):
                return await submission
        finally:
            self._open.pop(submission.request_id, None)

    def submit(
        self,
        action: str,
        payload: Any = None,
        *,
        id: str | None = None,  # noqa: A002  # the protocol's word
        options: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Submission:
        """Sends a request and returns at once; see Submission for what to do with it.

        `id` is the idempotency key (made here if None). Raises ConnectionLost if the connection has ended,
        ValueError if a request of that id is open on it, TypeError if the payload is not JSON.
        """
        request_id = ids.uuid7(time.time_ns() // 1_000_000) if id is None else id
        if request_id in self._open:
            raise ValueError(f"a request {request_id} is open on this connection")
        self._send(_request(request_id, action, payload, options, metadata))
        submission = self._open[request_id] = Submission(request_id, self._cancel)
        return submission

    async def ping(self) -> float:
        """Asks the server for a sign of life; returns the seconds that it took. Raises ConnectionLost."""
        ping_id = next(self._ping_ids)
        start = time.perf_counter()
        self._send({"type": "ping", "id": ping_id})
        answer = self._pings[ping_id] = asyncio.get_running_loop().create_future()
        try:
            await answer
        finally:
            self._pings.pop(ping_id, None)
        return time.perf_counter() - start

    # --- called by connect -----------------------------------------------------------------------------------

    def start(self) -> None:
        """Starts reading and writing."""
        self._tasks = (
            asyncio.create_task(self._read(), name="streamer-client-read"),
            asyncio.create_task(self._write(), name="streamer-client-write"),
        )

    async def close(self) -> None:
        """Sends what was submitted, then closes the socket. Open requests raise ConnectionLost."""
        self._outgoing.put_nowait(None)
        reading, writing = self._tasks
        await asyncio.wait({writing}, timeout=FLUSH_S)
        await self._socket.close()
        await asyncio.gather(reading, writing)

    async def _write(self) -> None:
        try:
            while (frame := await self._outgoing.get()) is not None:
                await self._socket.send(frame, text=True)
        except ConnectionClosed:
            return  # the reading task says so to everybody

    async def _read(self) -> None:
        loss = ConnectionLost(NO_CLOSE_FRAME)
        try:
            while True:
                self._take(events.read(await self._socket.recv(decode=False)))
        except ConnectionClosed as closed:
            loss = lost(closed)
        except ValueError:
            loss = ConnectionLost(Close.INVALID_TEXT, "the server sent a frame that is not a JSON object")
            await self._socket.close(loss.code)
        finally:
            self._lose(loss)

    def _take(self, frame: events.Frame) -> None:
        event = events.event(frame)
        if event is not None:
            self._pass_on(event)
        elif frame.get("type") == "pong":
            self._answer_ping(frame.get("id"))
        elif frame.get("type") == "error":
            log.warning("the server could not read a frame: %s", events.problem(frame).as_exception())

    def _pass_on(self, event: events.Event) -> None:
        submission = self._open.get(event.request_id)
        if submission is None:
            return  # of a call whose caller has gone
        submission.take(event)
        if submission.done:
            del self._open[event.request_id]

    def _answer_ping(self, ping_id: Any) -> None:
        answer = self._pings.pop(ping_id, None)
        if answer is not None and not answer.done():
            answer.set_result(None)

    def _lose(self, loss: ConnectionLost) -> None:
        self.lost = loss
        for submission in self._open.values():
            submission.lose(loss)
        self._open.clear()
        for answer in self._pings.values():
            if not answer.done():
                answer.set_exception(ConnectionLost(loss.code, loss.reason))
        self._pings.clear()

    def _cancel(self, request_id: str) -> None:
        self._send({"type": "cancel", "request_id": request_id})

    def _send(self, frame: Mapping[str, Any]) -> None:
        if self.lost is not None:
            raise ConnectionLost(self.lost.code, self.lost.reason)
        self._outgoing.put_nowait(orjson.dumps(frame))


def lost(closed: ConnectionClosed) -> ConnectionLost:
    """How the socket ended, in our words."""
    if closed.rcvd is not None:
        return ConnectionLost(closed.rcvd.code, closed.rcvd.reason)
    if closed.sent is not None:
        return ConnectionLost(closed.sent.code, closed.sent.reason)
    return ConnectionLost(NO_CLOSE_FRAME)


def _request(
    request_id: str,
    action: str,
    payload: Any,
    options: Mapping[str, Any] | None,
    metadata: Mapping[str, Any] | None,
) -> dict[str, Any]:
    frame: dict[str, Any] = {"type": "request", "id": request_id, "action": action}
    optional = {"payload": payload, "options": options, "metadata": metadata}
    return frame | {name: value for name, value in optional.items() if value is not None}
