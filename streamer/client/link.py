"""One socket of a session."""

import asyncio
import itertools
import time
from collections.abc import Callable, Coroutine
from typing import Any, Final

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from streamer.client import asking, events
from streamer.client.clock import Clock, first
from streamer.client.errors import ConnectionLost
from streamer.protocol.codes import Close

NO_CLOSE_FRAME: Final = 1006
"""What RFC 6455, section 7.1.5, calls a connection that ended without a close frame."""
FLUSH_S: Final = 5.0
"""How long leaving waits for frames that were given to send and are not sent yet."""
DEAD_AFTER_S: Final = 10.0
"""How long after a ping a silent socket is taken for dead."""

Take = Callable[[events.Frame], Coroutine[Any, Any, None] | None]
"""Is given every frame but pongs; the next one is read after what it returns has ended."""


class Link:
    """Reads, writes, and notices when the node is silent.

    Silent means: nothing came for `heartbeat_s`, then a ping was sent, and nothing came for 10 s more. Such a socket
    is dropped without a closing handshake, as nobody would take part in it. `heartbeat_s` 0: never.
    """

    def __init__(self, socket: ClientConnection, take: Take, *, heartbeat_s: float, clock: Clock) -> None:
        self._socket = socket
        self._take = take
        self._heartbeat_s = heartbeat_s
        self._clock = clock
        self._outgoing: asyncio.Queue[bytes | None] = asyncio.Queue()  # None: nothing more will follow
        self._written = asyncio.Event()  # the writing task has ended
        self._leaving = asyncio.Event()  # frames are taken without waiting for their reader
        self._heard_at = clock.now()
        self._owes_a_sign = False  # nothing was heard since the heartbeat's ping
        self._is_held = False  # nothing is read, because somebody reads his events slowly
        self._pings: dict[int, asyncio.Future[None]] = {}  # not answered yet
        self._ping_ids = itertools.count(1)

    def send(self, frame: bytes) -> None:
        """Sends it after everything that was given before. What is under way when the socket ends is lost."""
        self._outgoing.put_nowait(frame)

    async def ping(self) -> float:
        """Returns the seconds until the answer. Raises ConnectionLost if the socket ends before."""
        ping_id = next(self._ping_ids)
        answer = self._pings[ping_id] = asyncio.get_running_loop().create_future()
        start = time.perf_counter()
        self.send(asking.ping(ping_id))
        try:
            await answer
        finally:
            self._pings.pop(ping_id, None)
        return time.perf_counter() - start

    async def run(self) -> ConnectionLost:
        """Serves until the socket is gone; returns how it ended. To be called once."""
        try:
            async with asyncio.TaskGroup() as group:
                aside = [group.create_task(self._write()), group.create_task(self._beat())]
                loss = await self._read()
                for task in aside:
                    task.cancel()
        finally:
            self._written.set()  # also where the writing task has not even begun
            self._socket.transport.abort()  # in vain but for a cancelled session
        self._fail_pings(loss)
        return loss

    async def leave(self) -> None:
        """Sends what was given to send, then closes the socket; so `run` ends."""
        self._outgoing.put_nowait(None)
        self._leaving.set()
        try:
            async with asyncio.timeout(FLUSH_S):
                await self._written.wait()
        except TimeoutError:
            self._socket.transport.abort()  # the node does not read, and would not read the close frame either
        else:
            await self._socket.close()

    def abort(self) -> None:
        """The socket is of no use any more: it ends at once, and so does `run`."""
        self._socket.transport.abort()

    async def _write(self) -> None:
        try:
            while (frame := await self._outgoing.get()) is not None:
                await self._socket.send(frame, text=True)
        except ConnectionClosed:
            pass  # the reading side says so
        finally:
            self._written.set()

    async def _read(self) -> ConnectionLost:
        try:
            while True:
                await self._receive(events.read(await self._socket.recv(decode=False)))
        except ConnectionClosed as closed:
            return lost(closed)
        except ValueError:
            loss = ConnectionLost(Close.INVALID_TEXT, "the server sent a frame that is not a JSON object")
            await self._socket.close(loss.code)
            return loss

    async def _receive(self, frame: events.Frame) -> None:
        self._heard_at, self._owes_a_sign = self._clock.now(), False
        if frame.get("type") == "pong":
            self._answer_ping(frame.get("id"))
            return
        room = self._take(frame)
        if room is not None:
            await self._hold(room)

    async def _hold(self, room: Coroutine[Any, Any, None]) -> None:
        self._is_held = True
        await first(room, self._leaving.wait())
        self._is_held, self._heard_at = False, self._clock.now()

    async def _beat(self) -> None:
        while self._heartbeat_s:
            await self._clock.sleep(max(0.0, self._heard_at + self._heartbeat_s - self._clock.now()))
            if self._is_held:
                self._heard_at = self._clock.now()  # it is we who do not listen
            if self._heard_at + self._heartbeat_s <= self._clock.now():
                await self._ask_for_a_sign()

    async def _ask_for_a_sign(self) -> None:
        self._owes_a_sign = True
        self.send(asking.PING)
        await self._clock.sleep(DEAD_AFTER_S)
        if self._owes_a_sign and not self._is_held:
            self.abort()

    def _answer_ping(self, ping_id: Any) -> None:
        answer = self._pings.get(ping_id) if isinstance(ping_id, int) else None
        if answer is not None and not answer.done():
            answer.set_result(None)

    def _fail_pings(self, loss: ConnectionLost) -> None:
        for answer in self._pings.values():
            if not answer.done():
                answer.set_exception(ConnectionLost(loss.code, loss.reason))
        self._pings.clear()


def lost(closed: ConnectionClosed) -> ConnectionLost:
    """How the socket ended, in our words."""
    if closed.rcvd is not None:
        return ConnectionLost(closed.rcvd.code, closed.rcvd.reason)
    if closed.sent is not None:
        return ConnectionLost(closed.sent.code, closed.sent.reason)
    return ConnectionLost(NO_CLOSE_FRAME)
