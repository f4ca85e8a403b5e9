"""What a node answers on its internal port: signed calls from inside the cluster, and what monitoring asks."""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import health
from app.binding import LET_GO
from app.management import Management
from app.node import Node

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Serve = Callable[[Request], Awaitable[Response]]


def application(node: Node, management: Management, *, deliver: Serve, let_go: Serve) -> Starlette:
    """Every call of it is signed, but those of monitoring."""

    async def exposition(_: Request) -> Response:
        node.dispatch.settle()
        return Response(node.metrics.exposition(), media_type=METRICS_TYPE)

    calls = [
        Route("/internal/deliver", deliver, methods=["POST"]),
        Route(LET_GO, let_go, methods=["POST"]),
    ]
    monitoring = [Route("/metrics", exposition), *health.routes(lambda _: node.health)]
    return Starlette(routes=[*calls, *monitoring, *management.routes()])
