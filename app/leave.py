"""Asking connections to leave: told where that is understood, closed later, and none in the middle of an answer."""

import math
import time
from collections.abc import Callable
from itertools import islice
from typing import Final

from app.connection import Connection
from streamer.protocol import frames
from streamer.protocol.codes import Close

GRACE_S: Final = 0.15
"""For a client that left at the end of its window to be gone; then its socket is closed."""

Window = tuple[float, float]
"""From when to when, in seconds from now."""


class Leavers:
    """The connections that were asked to leave and are still there. `clock`: monotonic seconds."""

    def __init__(self, reason: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._reason = reason
        self._clock = clock
        self._due: dict[Connection, float] = {}  # when each is to be closed
        self.asked = 0  # in all
        self.closed = 0  # of them, from here

    def ask(self, connection: Connection, window: Window, *, within_s: float = math.inf) -> None:
        """Tells a `streamer.v1` client to reconnect in this window, and a plain one nothing. Whoever is still there
        after it, or after `within_s`, is to be closed. Who waits for an answer may wait for all that time."""
        start_s, end_s = (min(each, within_s) for each in window)
        stay_s = min(within_s, end_s + GRACE_S) if connection.speaks_v1 else end_s
        self._due[connection] = self._clock() + stay_s
        self.asked += 1
        if connection.speaks_v1:
            after_ms = (_ms(start_s), _ms(end_s))
            deadline_s = within_s if connection.in_flight and within_s < math.inf else stay_s
            connection.outbox.put(frames.drain(self._reason, after_ms, _ms(deadline_s), time.time()))

    def close_due(self, limit: int | None = None) -> None:
        """Closes (1012) those whose time has come and for whom no answer is under way, at most so many. Whoever waits
        for an answer is closed by a later call."""
        self._due = {connection: due for connection, due in self._due.items() if not connection.outbox.closed}
        now = self._clock()
        idle = (connection for connection, due in self._due.items() if due <= now and not connection.in_flight)
        for connection in list(islice(idle, limit)):
            del self._due[connection]
            connection.outbox.close(Close.RESTARTING, self._reason)
            self.closed += 1

    @property
    def left(self) -> int:
        """How many went by themselves."""
        return self.asked - self.closed - len(self._due)

    def __contains__(self, connection: Connection) -> bool:
        return connection in self._due

    def __len__(self) -> int:
        """Those who were there at the last `close_due`."""
        return len(self._due)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
