"""Reading a socket: one task reads at any time, and whoever finds something to wait for hands the reading on."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import structlog

from app.connection import Connection
from streamer.protocol.codes import Close

log = structlog.get_logger()

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Take = Callable[[Connection, str | None], Awaitable[None] | None]
"""`Dispatch.take`."""


class Reader:
    """Leader and followers. The leader reads; when a frame's answer has to wait for something, the leader goes on
    with that in its own task (in which its first step ran), and a new task becomes the leader. So a frame that is
    answered at once costs no task, and the socket is always read.

    The first leader is the ASGI server's task for this socket, which must live as long as the socket does.
    """

    __slots__ = ("_connection", "_max_bytes", "_on_end", "_over", "_receive", "_take", "_tasks")

    def __init__(
        self, connection: Connection, receive: Receive, take: Take, on_end: Callable[[int], None], *, max_bytes: int
    ) -> None:
        self._connection = connection
        self._receive = receive
        self._take = take
        self._on_end = on_end  # told of the close code, once, as soon as the socket is gone
        self._max_bytes = max_bytes
        self._over = asyncio.get_running_loop().create_future()  # done when the socket is gone
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Reads until the socket is gone and every answer that was waited for is given."""
        try:
            await self._lead()
            await asyncio.shield(self._over)
            while self._tasks:
                await asyncio.wait(self._tasks)
        finally:
            self._end(Close.KEEP_ALIVE_LOST)
            for task in self._tasks:
                task.cancel()

    async def _lead(self) -> None:
        receive, take, connection = self._receive, self._take, self._connection
        while True:
            message = await receive()
            if message["type"] != "websocket.receive":
                self._end(message.get("code", Close.NORMAL))
                return
            if connection.outbox.closed:
                continue  # a close is on its way, and no answer would go out before it
            text = message.get("text")
            if text is not None and len(text) > self._max_bytes:  # a server without a limit of its own
                connection.outbox.close(Close.TOO_BIG, "the message is too big")
                continue
            unfinished = take(connection, text)
            if unfinished is not None:
                self._hand_on()
                await unfinished
                return

    def _hand_on(self) -> None:
        name = f"reader {self._connection.connection_id}"
        task = asyncio.create_task(self._lead(), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._led)

    def _led(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("reader_died", connection=self._connection.connection_id, exc_info=error)
            self._connection.outbox.close(Close.KEEP_ALIVE_LOST, "internal error")
            self._end(Close.KEEP_ALIVE_LOST)

    def _end(self, code: int) -> None:
        if not self._over.done():
            self._over.set_result(None)
            self._on_end(code)
