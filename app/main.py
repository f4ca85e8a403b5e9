"""The ASGI application: `uvicorn --factory app.main:create_app`, or `python -m app` with its own drain."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app import contracts, health, lifespan, page
from app.endpoint import Endpoint
from app.node import Node
from app.rest import routes as rest
from streamer.actions import load_registry
from streamer.errors import ConfigurationError
from streamer.process import cluster_keys
from streamer.registry import Registry
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

    logging.getLogger("uvicorn.error").addFilter(_is_of_ours)
    app = Starlette(routes=_routes(settings, registry), lifespan=running, middleware=_middleware(settings))
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


def _middleware(settings: Settings) -> Sequence[Middleware]:
    """Pages of the allowed origins may call `/v1`, with a token of their own and no cookies; without such a list only
    pages of this origin, as browsers have it by themselves."""
    outer = [Middleware(Sockets, endpoint=Endpoint())]
    if not settings.allowed_origins:
        return outer
    cors = Middleware(
        CORSMiddleware,
        allow_origins=sorted(settings.allowed_origins),
        allow_methods=("GET", "POST", "DELETE"),
        allow_headers=("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "Prefer"),
        expose_headers=("Location", "Preference-Applied", "Retry-After"),
    )
    return [*outer, cors]


def _routes(settings: Settings, registry: Registry) -> list[BaseRoute]:
    routes: list[BaseRoute] = [
        *health.routes(lambda request: request.state.node.health),
        *rest.routes(),
        *contracts.routes(settings, registry, lambda request: request.state.node.doorkeeper),
    ]
    if settings.console:
        routes += page.routes(settings)
    return routes


_OF_CLIENTS: Final = ("without completing handshake", "Invalid UTF-8 sequence")


def _is_of_ours(record: logging.LogRecord) -> bool:
    """uvicorn logs as an error of the server what a client did, or was refused: a handshake that was answered by HTTP
    (Kludex/uvicorn#3138), and text that is no UTF-8."""
    return not any(said in record.getMessage() for said in _OF_CLIENTS)
