"""What the server says about the connection itself, as values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from streamer.client.events import Frame

Window = tuple[float, float]
"""From when to when, in seconds from now."""

_FIRST_TRY: Final = {"min_ms": 0, "max_ms": 1000}


@dataclass(frozen=True, slots=True)
class Offer:
    """An outcome that is kept for this user until it is acknowledged; `status` is COMPLETED, FAILED or CANCELLED."""

    request_id: str
    job_id: str
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """The first thing a node says: who the client is to it, and its limits.

    `reconnect` is when to come back after a loss without warning. `inbox` is None where the node could not read it.
    """

    connection_id: str
    node_id: str
    heartbeat_ms: int
    token_expires_at: float | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    reconnect: Window = (0.0, 1.0)
    inbox: Sequence[Offer] | None = None


@dataclass(frozen=True, slots=True)
class Drain:
    """The node is leaving: go elsewhere in that window; after `deadline_s` it closes the socket."""

    reason: str
    window: Window
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Resumed:
    """The answer to `resume`. `requests`: those that there are, and whether everything that they lacked still is."""

    connection_id: str
    requests: Mapping[str, bool]


def welcome(frame: Frame) -> Welcome | None:
    """The frame as a Welcome, None if it is not one."""
    if frame.get("type") != "welcome" or "connection_id" not in frame:
        return None
    window = _FIRST_TRY | (frame.get("reconnect") or {})
    return Welcome(
        connection_id=frame["connection_id"],
        node_id=frame.get("node_id", ""),
        heartbeat_ms=frame.get("heartbeat_ms", 0),
        token_expires_at=frame.get("token_expires_at"),
        limits=frame.get("limits") or {},
        reconnect=_window(window["min_ms"], window["max_ms"]),
        inbox=_offers(frame.get("inbox")),
    )


def drain(frame: Frame) -> Drain:
    low, high = frame.get("reconnect_after_ms") or (0, 0)
    return Drain(frame.get("reason", ""), _window(low, high), frame.get("deadline_ms", high) / 1000)


def resumed(frame: Frame, connection_id: str) -> Resumed:
    """`connection_id` is what the client thinks that it is, for a frame that does not say."""
    entries = frame.get("requests") or ()
    requests = {entry["request_id"]: entry.get("recovered", True) for entry in entries}
    return Resumed(frame.get("connection_id", connection_id), requests)


def _window(low_ms: float, high_ms: float) -> Window:
    return low_ms / 1000, high_ms / 1000


def _offers(entries: Sequence[Mapping[str, Any]] | None) -> Sequence[Offer] | None:
    if entries is None:
        return None
    return [Offer(entry["request_id"], entry.get("job_id", ""), entry.get("status", "")) for entry in entries]
