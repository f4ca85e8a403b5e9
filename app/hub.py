"""The connections of this node, and what comes for them."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from app.connection import Connection
from app.tracker import Frame, Tracker
from streamer.telemetry.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Delivery:
    """A frame of a job, with whom it is for. The user and tenant are those of the job."""

    connections: Iterable[str]
    job_id: str
    tenant: str
    user: str
    frame: Frame


class Hub:
    """Who is connected here. A frame reaches a connection only if that waits for the job, and is of the job's user or
    was let in as a watcher."""

    def __init__(self, metrics: Metrics) -> None:
        self._connections: dict[str, Connection] = {}
        self._gauge = metrics.connections
        self._sent = {kind: metrics.frames.labels(kind) for kind in ("progress", "chunk", "retrying", "outcome")}
        self._dropped = {reason: metrics.frames_dropped.labels(reason) for reason in ("stale", "gone", "foreign")}

    def add(self, connection: Connection) -> None:
        self._connections[connection.connection_id] = connection
        self._gauge.set(len(self._connections))

    def remove(self, connection: Connection) -> None:
        if self._connections.get(connection.connection_id) is connection:
            del self._connections[connection.connection_id]
            self._gauge.set(len(self._connections))

    def rebind(self, connection: Connection, connection_id: str, reconnects: int) -> Connection | None:
        """The connection goes by a former id from now on. Returns the one that had that id here before, if any."""
        former = self._connections.pop(connection_id, None)
        self.remove(connection)
        connection.connection_id, connection.reconnects = connection_id, reconnects
        self.add(connection)
        return former if former is not connection else None

    def get(self, connection_id: str) -> Connection | None:
        return self._connections.get(connection_id)

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._connections.values()))

    def deliver(self, delivery: Delivery, now: float) -> list[str]:
        """Hands a frame to its connections. Returns those that are not here (any more). `now`: Unix seconds."""
        gone: list[str] = []
        for connection_id in delivery.connections:
            connection = self._connections.get(connection_id)
            if connection is None:
                self._dropped["gone"].inc()
                gone.append(connection_id)
            else:
                self._hand_over(connection, delivery, now)
        return gone

    def _hand_over(self, connection: Connection, delivery: Delivery, now: float) -> None:
        tracker = connection.trackers.get(delivery.job_id)
        if not _may_hear(connection, tracker, delivery):
            self._dropped["foreign"].inc()
            return
        if tracker is None or tracker.is_stale(delivery.frame):
            self._dropped["stale"].inc()
            return
        tracker.heard = time.monotonic()
        connection.deliver(tracker, delivery.frame, now)
        self._sent[delivery.frame.kind].inc()


def _may_hear(connection: Connection, tracker: Tracker | None, delivery: Delivery) -> bool:
    """A job is its user's; others of the tenant hear of it where they were let in."""
    principal = connection.principal
    if principal.tenant != delivery.tenant:
        return False
    return principal.user == delivery.user or (tracker is not None and tracker.is_watcher)
