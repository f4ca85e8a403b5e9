"""The ASGI application: `uvicorn --factory app.main:create_app`, or `python -m app` with its own drain."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Mount, WebSocketRoute

from app import health, lifespan
from app.endpoint import Endpoint
from app.node import Node
from app.page import Page
from streamer.actions import load_registry
from streamer.errors import ConfigurationError
from streamer.process import cluster_keys
from streamer.settings import Settings
from streamer.telemetry import log

events = structlog.get_logger()


def create_app(settings: Settings | None = None) -> Starlette:
    """An app node. Without `settings` it reads the environment and sends the process's logs to stdout.

    Raises ConfigurationError, in a sentence, where settings or actions are not fit to start with.
    """
    if settings is None:
        settings = Settings.read()
        log.configure(settings.log_format, settings.log_level)
    settings.checked_for_node()
    cluster_keys(settings)
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
    app = Starlette(routes=_routes(settings), lifespan=running)
    app.state.registry = registry
    return app


def _routes(settings: Settings) -> list[BaseRoute]:
    routes: list[BaseRoute] = [
        WebSocketRoute("/ws", Endpoint()),
        *health.routes(lambda request: request.state.node.health),
    ]
    if settings.console:
        routes.append(Mount("/", Page()))
    return routes


def _is_no_denial(record: logging.LogRecord) -> bool:
    """uvicorn takes a handshake that was answered by HTTP for one that was not completed, and logs an error:
    Kludex/uvicorn#3138."""
    return "without completing handshake" not in record.getMessage()
