"""`POST /internal/deliver`: frames of jobs, from workers and other nodes."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, get_args

import orjson

from app.hub import Delivery, Hub
from app.tracker import Frame, Kind
from streamer.telemetry.metrics import Metrics

MAX_BODY_BYTES: Final = 8 << 20
"""A lane posts 256 KiB at a time, or one outcome of a good 1 MiB."""
_KINDS: Final = frozenset(get_args(Kind))


class Deliveries:
    """Hands each frame to the hub, and answers who is gone."""

    def __init__(self, hub: Hub, metrics: Metrics) -> None:
        self._hub = hub
        self._lag = metrics.delivery_lag_seconds

    def hand_over(self, body: bytes) -> Mapping[str, Any]:
        """Serves the call. Raises ValueError, KeyError or TypeError where the body is not such a call."""
        now = time.time()
        gone: dict[str, None] = {}
        for delivery, encoded_at in list(read(body)):
            gone.update(dict.fromkeys(self._deliver(delivery, encoded_at, now)))
        return {"gone": list(gone)}

    def _deliver(self, delivery: Delivery, encoded_at: float, now: float) -> Sequence[str]:
        """Returns the connections that are gone."""
        self._lag.observe(max(0.0, now - encoded_at))
        return self._hub.deliver(delivery, now)


def read(body: bytes) -> Iterator[tuple[Delivery, float]]:
    """The frames of a call, each with the time (Unix seconds) at which it was encoded.

    Raises ValueError, KeyError or TypeError where the body is not what PROTOCOL section 7 says.
    """
    lines = body.split(b"\n") if body else []
    connections: tuple[str, ...] | None = None  # where a frame says nothing: those of the frame before
    for line, frame in zip(lines[::2], lines[1::2], strict=True):
        meta = orjson.loads(line)
        if meta["k"] not in _KINDS:
            raise ValueError(f"there is no kind {meta['k']!r}")
        if connections is None or "c" in meta:
            connections = tuple(meta["c"])
        yield (
            Delivery(
                connections=connections,
                job_id=meta["j"],
                tenant=meta["t"],
                user=meta["u"],
                frame=Frame(
                    meta["k"], int(meta["a"]), int(meta["s"]), frame, meta.get("p"), chunks=int(meta.get("h", 0))
                ),
            ),
            float(meta["at"]),
        )
