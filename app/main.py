"""The ASGI application: `uvicorn --factory app.main:create_app`, or `python -m app` with its own drain."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from app import health, lifespan, presence
from app.endpoint import Endpoint
from app.node import Node
from app.page import Page
from streamer.actions import load_registry
from streamer.errors import ConfigurationError
from streamer.process import cluster_keys
from streamer.settings import Settings
from streamer.telemetry import log, tracing

events = structlog.get_logger()

PATH: Final = "/ws"


def create_app(settings: Settings | None = None) -> Starlette:
    """An app node. Without `settings` it reads the environment and sends the process's logs to stdout.

    Raises ConfigurationError, in a sentence, where settings or actions are not fit to start with.
    """
    if settings is None:
        settings = Settings.read()
        log.configure(settings.log_format, settings.log_level)
    settings.checked_for_node()
    cluster_keys(settings)
    tracing.checked(is_on=settings.tracing)
    registry = load_registry(settings.actions, threads=settings.threads)

    @asynccontextmanager
    async def running(_: Starlette) -> AsyncIterator[dict[str, Node]]:
        try:
            async with lifespan.running(settings, registry) as node:
                yield {"node": node}
        except ConfigurationError as error:
            events.error("cannot_start", reason=str(error))
            raise

    logging.getLogger("uvicorn.error").addFilter(_is_no_denial)
    app = Starlette(routes=_routes(settings), lifespan=running, middleware=[Middleware(Sockets, endpoint=Endpoint())])
    app.state.registry = registry
    return app


class Sockets:
    """Hands sockets straight to their endpoint. Starlette's router would wrap `send` to tell exceptions by HTTP, which
    costs every frame a coroutine, and has nothing to tell a socket."""

    def __init__(self, app: ASGIApp, endpoint: Endpoint) -> None:
        self._app = app
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["type"] == "websocket" and scope["path"] == PATH
        await (self._endpoint if is_ours else self._app)(scope, receive, send)


def _routes(settings: Settings) -> list[BaseRoute]:
    routes: list[BaseRoute] = [
        *health.routes(lambda request: request.state.node.health),
        *presence.routes(lambda request: request.state.node.presences),
    ]
    if settings.console:
        routes.append(Mount("/", Page()))
    return routes


def _is_no_denial(record: logging.LogRecord) -> bool:
    """uvicorn takes a handshake that was answered by HTTP for one that was not completed, and logs an error:
    Kludex/uvicorn#3138."""
    return "without completing handshake" not in record.getMessage()
