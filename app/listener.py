"""The node's internal listener: signed calls from inside the cluster, and what monitoring asks."""

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import health
from app.delivery import Deliveries
from app.node import Node
from streamer.errors import ConfigurationError

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
STOP_S: Final = 1
"""For calls that are under way when the listener stops."""


def application(node: Node, deliveries: Deliveries) -> Starlette:
    """Every call of it is signed, but those of monitoring."""

    async def exposition(_: Request) -> Response:
        node.dispatch.settle()
        return Response(node.metrics.exposition(), media_type=METRICS_TYPE)

    deliver = Route("/internal/deliver", deliveries.deliver, methods=["POST"])
    return Starlette(routes=[deliver, Route("/metrics", exposition), *health.routes(lambda _: node.health)])


class _Server(uvicorn.Server):
    """Signals are for the process, not for this part of it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Listener:
    """A bound socket with an application behind it; `port` is the real one where 0 was asked for."""

    def __init__(self, host: str, port: int) -> None:
        """Raises ConfigurationError where the address is taken, or not ours."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=2048)
        except OSError as error:
            raise ConfigurationError(f"STREAMER_INTERNAL_PORT: {host}:{port} is not free: {error}.") from error
        self.port: int = self._socket.getsockname()[1]

    async def serve(self, app: Starlette) -> None:
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
