"""What a connection is still to be sent."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, MutableMapping
from typing import Any, Final

from app import stepping
from streamer.protocol.codes import Close

MAX_FRAMES: Final = 64
MAX_BYTES: Final = 1 << 20
ROOM: Final = 1 << 17
"""The largest frame that is pushed from outside."""

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

_DISCONNECTED = (OSError, RuntimeError)
"""How an ASGI server says that the socket is gone: uvicorn's ClientDisconnected is an OSError, and what is sent
after a close of its own (keep-alive lost, parse error) is a RuntimeError."""


class Outbox:
    """Frames on their way to one client, in order.

    An empty outbox writes straight to the socket. When the transport is full (a reader slower than its frames)
    that write is handed to a writer task, and frames wait here: at most 64 and 1 MiB of them, though one larger
    frame is admitted where none waits. Waiting progress of a request is replaced by newer progress of it. A frame
    beyond the bound ends the connection: everything that waits is dropped, and 1013 sent as soon as it can be.
    """

    __slots__ = ("_close", "_on_overflow", "_send", "_size", "_waiting", "closed", "name", "writer")

    def __init__(self, send: Send, name: str, on_overflow: Callable[[], None]) -> None:
        self._send: Callable[[Message], Coroutine[Any, Any, None]] = send  # type: ignore[assignment]  # ASGI's `send` is a coroutine function in every server
        self._waiting: OrderedDict[object, bytes] = OrderedDict()
        self._size = 0  # bytes of all that waits
        self._close: Message | None = None  # to be sent after everything that waits
        self._on_overflow = on_overflow
        self.name = name
        self.closed = False  # nothing more is taken
        self.writer: asyncio.Task[None] | None = None  # while the transport is, or was, full

    def put(self, frame: bytes) -> None:
        """Sends a frame, now or as soon as the client reads."""
        if self.closed:
            return
        if self.writer is None:
            self._write({"type": "websocket.send", "text": frame.decode()})
        else:
            self._queue(object(), frame)

    def put_newest(self, key: str, frame: bytes) -> None:
        """Like `put`, for a frame that makes an earlier one of the same key, where it still waits, superfluous."""
        if self.writer is None or self.closed:
            self.put(frame)
            return
        self._size -= len(self._waiting.pop(key, b""))
        self._queue(key, frame)

    @property
    def is_full(self) -> bool:
        """Whether one more frame of up to 128 KiB might be too much."""
        return len(self._waiting) >= MAX_FRAMES or (bool(self._waiting) and self._size > MAX_BYTES - ROOM)

    async def ready(self) -> None:
        """Waits until nothing waits here and the transport takes more, or the socket is gone: for whoever has more
        to send than may wait."""
        while self.writer is not None and not self.writer.done():  # one that is cancelled early clears nothing
            await asyncio.wait([self.writer])

    def close(self, code: int, reason: str = "") -> None:
        """Closes the socket after what waits. Nothing is taken from now on."""
        if self.closed:
            return
        self.closed = True
        message = {"type": "websocket.close", "code": code, "reason": reason}
        if self.writer is None:
            self._write(message)
        else:
            self._close = message

    def abandon(self) -> None:
        """The socket is gone: nothing more is sent."""
        self.closed = True
        self._drop_all()
        if self.writer is not None:
            self.writer.cancel()

    def _queue(self, key: object, frame: bytes) -> None:
        full = len(self._waiting) >= MAX_FRAMES or self._size + len(frame) > MAX_BYTES
        if full and self._waiting:
            self._overflow()
            return
        self._waiting[key] = frame
        self._size += len(frame)

    def _overflow(self) -> None:
        self._drop_all()
        self.close(Close.TOO_SLOW, "you read too slowly")
        self._on_overflow()

    def _drop_all(self) -> None:
        self._waiting.clear()
        self._size = 0

    def _write(self, message: Message) -> None:
        """Takes the first step of a send, which ends there unless the transport is full."""
        sending = self._send(message)
        try:
            awaited = sending.send(None)
        except StopIteration:
            return
        except _DISCONNECTED:
            self.closed = True
            return
        unfinished = stepping.rest(sending, awaited)
        self.writer = asyncio.create_task(self._write_waiting(unfinished), name=f"outbox {self.name}")

    async def _write_waiting(self, unfinished: Awaitable[None]) -> None:
        try:
            await unfinished
            while self._waiting:
                _, frame = self._waiting.popitem(last=False)
                self._size -= len(frame)
                await self._send({"type": "websocket.send", "text": frame.decode()})
            if self._close is not None:
                await self._send(self._close)
        except _DISCONNECTED:
            self.closed = True
            self._drop_all()
        finally:
            self.writer = None
