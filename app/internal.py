"""What a node answers on its internal port: signed calls from inside the cluster, and what monitoring asks."""

from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import health
from app.delivery import Deliveries
from app.node import Node

METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def application(node: Node, deliveries: Deliveries) -> Starlette:
    """Every call of it is signed, but those of monitoring."""

    async def exposition(_: Request) -> Response:
        node.dispatch.settle()
        return Response(node.metrics.exposition(), media_type=METRICS_TYPE)

    deliver = Route("/internal/deliver", deliveries.deliver, methods=["POST"])
    return Starlette(routes=[deliver, Route("/metrics", exposition), *health.routes(lambda _: node.health)])
