"""What a worker answers on its internal port: signed calls from nodes, and what monitoring asks."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from streamer.cluster import sigv4
from streamer.cluster.sigv4 import Call, Key
from streamer.errors import Forbidden, StoreUnavailable
from streamer.telemetry.metrics import Metrics

MAX_BODY_BYTES: Final = 1 << 20
METRICS_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

Verb = Callable[[Sequence[Any]], Awaitable[Mapping[str, Any]]]
"""Takes the `jobs` of a call, gives the answer. KeyError, TypeError and ValueError mean that the call is malformed,
StoreUnavailable that it may be made again."""


class Refused(Exception):
    """The call is not one that is served; `status` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(f"answered {status}")
        self.status = status


def application(
    *,
    keys: Sequence[Key],
    verbs: Mapping[str, Verb],
    metrics: Metrics,
    is_ready: Callable[[], bool],
    clock: Callable[[], float] = time.time,
) -> Starlette:
    """`POST /internal/<verb>`, signed; `/metrics`, `/livez` and `/readyz`, open."""

    def served(verb: Verb) -> Callable[[Request], Awaitable[Response]]:
        async def serve(request: Request) -> Response:
            try:
                jobs = await _jobs(request, keys, clock())
                return _json(await verb(jobs))
            except Refused as refused:
                return Response(status_code=refused.status)
            except StoreUnavailable:
                return Response(status_code=503)
            except (KeyError, TypeError, ValueError):
                return Response(status_code=400)

        return serve

    async def exposition(_: Request) -> Response:
        return Response(metrics.exposition(), media_type=METRICS_TYPE)

    async def livez(_: Request) -> Response:
        return PlainTextResponse("ok")

    async def readyz(_: Request) -> Response:
        return PlainTextResponse("ok") if is_ready() else PlainTextResponse("not ready", status_code=503)

    calls = [Route(f"/internal/{name}", served(verb), methods=["POST"]) for name, verb in verbs.items()]
    routes = [Route("/metrics", exposition), Route("/livez", livez), Route("/readyz", readyz)]
    return Starlette(routes=[*calls, *routes])


async def _jobs(request: Request, keys: Sequence[Key], now: float) -> Sequence[Any]:
    body = await _body(request)
    try:
        sigv4.verify(keys, Call.received(request.scope, body), now)
    except Forbidden as error:
        raise Refused(403) from error
    jobs = orjson.loads(body)["jobs"]
    if not isinstance(jobs, list):
        raise TypeError("jobs must be a list")
    return jobs


async def _body(request: Request) -> bytes:
    """The body, which is part of what is signed, so it is read from strangers too, up to 1 MiB."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            raise Refused(413)
    return b"".join(parts)


def _json(answer: Mapping[str, Any]) -> Response:
    return Response(orjson.dumps(answer), media_type="application/json")
