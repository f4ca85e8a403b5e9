"""`POST /internal/deliver`: frames of jobs, from workers and other nodes."""

import time
from collections.abc import Iterator, Sequence
from typing import Final, get_args

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app.hub import Delivery, Hub
from app.tracker import Frame, Kind
from streamer.cluster import sigv4
from streamer.cluster.sigv4 import Call, Key
from streamer.errors import Forbidden
from streamer.telemetry.metrics import Metrics

MAX_BODY_BYTES: Final = 8 << 20
"""A lane posts 256 KiB at a time, or one outcome of a good 1 MiB."""
_KINDS: Final = frozenset(get_args(Kind))


class Deliveries:
    """Serves the call: verifies who signed it, hands each frame to the hub, answers who is gone."""

    def __init__(self, hub: Hub, keys: Sequence[Key], metrics: Metrics) -> None:
        self._hub = hub
        self._keys = keys
        self._lag = metrics.delivery_lag_seconds

    async def deliver(self, request: Request) -> Response:
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        try:
            sigv4.verify(self._keys, Call.received(request.scope, body), time.time())
            gone = self._hand_over(body)
        except Forbidden:
            return Response(status_code=403)
        except (ValueError, KeyError, TypeError):  # not what a worker of ours sends
            return Response(status_code=400)
        return Response(orjson.dumps({"gone": gone}), media_type="application/json")

    def _hand_over(self, body: bytes) -> list[str]:
        now = time.time()
        gone: dict[str, None] = {}
        for delivery, encoded_at in list(read(body)):
            gone.update(dict.fromkeys(self._hub.deliver(delivery, now)))
            self._lag.observe(max(0.0, now - encoded_at))
        return list(gone)


def read(body: bytes) -> Iterator[tuple[Delivery, float]]:
    """The frames of a call, each with the time (Unix seconds) at which it was encoded.

    Raises ValueError, KeyError or TypeError where the body is not what PROTOCOL section 7 says.
    """
    lines = body.split(b"\n") if body else []
    for line, frame in zip(lines[::2], lines[1::2], strict=True):
        meta = orjson.loads(line)
        if meta["k"] not in _KINDS:
            raise ValueError(f"there is no kind {meta['k']!r}")
        yield (
            Delivery(
                connections=tuple(meta["c"]),
                job_id=meta["j"],
                tenant=meta["t"],
                user=meta["u"],
                frame=Frame(
                    meta["k"], int(meta["a"]), int(meta["s"]), frame, meta.get("p"), chunks=int(meta.get("h", 0))
                ),
            ),
            float(meta["at"]),
        )


async def _body(request: Request) -> bytes | None:
    """The body, which the signature covers; so it is read from strangers too, up to a limit. None: it is over that."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)
