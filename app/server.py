"""The ASGI server with its own way to stop.

uvicorn by itself closes every socket in the tick of the signal, before the application hears of it. Here the first
SIGTERM or SIGINT starts the drain and uvicorn's stop follows it; a second signal stops at once.
"""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterator
from types import FrameType
from typing import Final

import structlog
import uvicorn
from starlette.applications import Starlette

from app.drain import drain
from app.main import create_app
from app.node import Node
from app.patience import patient
from streamer.cluster import address
from streamer.errors import ConfigurationError
from streamer.settings import Settings

log = structlog.get_logger()

PING_S: Final = 20.0
UNREAD_MS: Final = 40_000
"""A client that takes nothing for so long is cut by the kernel (TCP_USER_TIMEOUT): a close frame cannot reach it, and
its full buffer would keep the socket open for ever."""
UNSENT_BYTES: Final = 512 * 1024
"""What the kernel takes for a client beyond what is under way to it (TCP_NOTSENT_LOWAT): enough for a burst, where by
default it may be megabytes, in which progress is not replaced by newer progress, and which no outbox counts."""
CLOSING_S: Final = 2.0
"""For clients to answer the close frame."""
GRACEFUL_S: Final = 3


class Server(uvicorn.Server):
    """Serves one node. `url` and `node` are there once it has started."""

    def __init__(self, app: Starlette, settings: Settings, *, takes_signals: bool = True) -> None:
        config = uvicorn.Config(
            app,
            host=settings.host,
            port=settings.port,
            http=patient(settings.handshake_timeout_s),
            proxy_headers=False,  # it would believe whoever calls from this machine; see `proxies`
            ws="websockets-sansio",
            ws_ping_interval=PING_S,
            ws_ping_timeout=PING_S,
            ws_max_size=settings.max_message_bytes,
            ws_per_message_deflate=False,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=GRACEFUL_S,
        )
        super().__init__(config)
        self.url = ""
        self._settings = settings
        self._takes_signals = takes_signals
        self._loop: asyncio.AbstractEventLoop | None = None  # once started
        self._stopping: asyncio.Task[None] | None = None  # the drain, from the first signal on
        self._was_told = False
        self.up = asyncio.Event()  # it listens

    @property
    def node(self) -> Node:
        node: Node = self.lifespan.state["node"]
        return node

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            await super().startup(sockets)
        except SystemExit as failed:
            if self._takes_signals:
                raise  # the process is ours to end
            raise ConfigurationError("The node could not start; the log says why.") from failed
        self.node.tasks.on_death = self.stop
        listening = self.servers[0].sockets[0]
        host, port = listening.getsockname()[:2]
        self.url = address.endpoint(host, port)
        for each in self.servers[0].sockets:
            _bound_what_the_kernel_keeps(each)
        self.up.set()
        log.info("listening", url=self.url, internal_url=self.node.internal_url, node=self.node.node_id)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals() if self._takes_signals else contextlib.nullcontext():
            yield

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal starts the drain, a second one ends everything."""
        del sig, frame
        if self._was_told or self._loop is None or not self.started:
            self.should_exit = self.force_exit = True
            return
        self._was_told = True
        self._loop.call_soon_threadsafe(self.stop)

    def stop(self) -> None:
        """Starts to stop, once."""
        if self._stopping is None:
            self._stopping = asyncio.get_running_loop().create_task(self._stop(), name="drain")

    async def _stop(self) -> None:
        try:
            await drain(self.node, self._settings.drain_s)
            await self._last_closes()
        finally:
            self.should_exit = True

    async def _last_closes(self) -> None:
        """Closed before the client's close frame has come, a socket may be reset, and ours is lost with it."""
        loop = asyncio.get_running_loop()
        end = loop.time() + CLOSING_S
        while self._is_closing() and loop.time() < end:  # noqa: ASYNC110  # uvicorn signals it to nobody
            await asyncio.sleep(0.02)

    def _is_closing(self) -> bool:
        return any(getattr(protocol, "close_sent", False) for protocol in self.server_state.connections)


def _bound_what_the_kernel_keeps(listening: socket.socket) -> None:
    """Of each socket that is accepted from now on: it inherits this. Where the system knows these options."""
    for option, value in (("TCP_USER_TIMEOUT", UNREAD_MS), ("TCP_NOTSENT_LOWAT", UNSENT_BYTES)):
        if hasattr(socket, option):
            listening.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Server]:
    """A node in this process, without its signals: for tests, and for whoever embeds one. Drained at the end."""
    server = Server(create_app(settings), settings, takes_signals=False)
    task = asyncio.create_task(server.serve(), name="server")
    try:
        up = asyncio.create_task(server.up.wait(), name="server up")
        await asyncio.wait([task, up], return_when=asyncio.FIRST_COMPLETED)
        up.cancel()
        if task.done():
            task.result()
        yield server
    finally:
        if server.started:
            server.stop()
        await task
