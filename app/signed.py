"""Calls from inside the cluster: nothing of one is looked at before its signature holds."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from streamer.cluster import sigv4
from streamer.cluster.sigv4 import Call, Key
from streamer.errors import Forbidden

Serve = Callable[[bytes], Mapping[str, Any]]
"""Takes the body of a call, gives the answer. Raises ValueError, KeyError or TypeError on one that no process of ours
would send."""


def call(keys: Sequence[Key], serve: Serve, *, max_bytes: int) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint. It answers 403 without a valid signature, 413 over the limit, 400 to what cannot be read."""

    async def answer(request: Request) -> Response:
        body = await _body(request, max_bytes)
        if body is None:
            return Response(status_code=413)
        try:
            sigv4.verify(keys, Call.received(request.scope, body), time.time())
            content = serve(body)
        except Forbidden:
            return Response(status_code=403)
        except (ValueError, KeyError, TypeError):
            return Response(status_code=400)
        return Response(orjson.dumps(content), media_type="application/json")

    return answer


async def _body(request: Request, max_bytes: int) -> bytes | None:
    """The body, which the signature covers; so it is read from strangers too, up to a limit. None: it is over that."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > max_bytes:
            return None
        parts.append(part)
    return b"".join(parts)
