"""A process's internal listener: an HTTP server on its own port, beside whatever else the process does."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final

import uvicorn

from streamer.errors import ConfigurationError

STOP_S: Final = 1
"""For calls that are under way when the listener stops."""
BACKLOG: Final = 2_048


class Listener:
    """A bound socket with an ASGI application behind it; `port` is the real one where 0 was asked for."""

    def __init__(self, host: str, port: int, *, setting: str) -> None:
        """Raises ConfigurationError, which names the setting, where the address is taken or not ours."""
        try:
            self._socket = _bound(host, port)
        except OSError as error:
            raise ConfigurationError(f"{setting}: {host}:{port} is not free: {error}.") from error
        self.port: int = self._socket.getsockname()[1]

    async def serve(self, app: Any) -> None:
        """Serves until it is cancelled; calls under way are then finished."""
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=STOP_S
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve([self._socket]), name="internal server")
        try:
            await asyncio.shield(serving)
        finally:
            server.should_exit = True
            await serving

    def close(self) -> None:
        self._socket.close()


class _Server(uvicorn.Server):
    """Signals are for the process, not for this part of it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bound(host: str, port: int) -> socket.socket:
    """Says that it speaks TCP: asyncio sets TCP_NODELAY only on such sockets, and without it an answer of two
    writes waits 40 ms for the peer's delayed acknowledgment."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        bound.listen(BACKLOG)
    except OSError:
        bound.close()
        raise
    return bound
