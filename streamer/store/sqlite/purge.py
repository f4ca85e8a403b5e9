"""Expired rows go, a few at a time, in the wake of somebody's write."""

import math
import sqlite3
import time
from collections.abc import Callable
from typing import Final

CONNECTION_LIFE_MS: Final = 86_400_000
"""After the last ping; see `store.base.ConnectionStore`."""
ROWS: Final = 500
"""Of a table in one go: tens of milliseconds."""
PARTS: Final = 50
"""Of side items in one go; each may be 350 KB."""
EVENTS: Final = 200
"""In one go: most are a few KB, though each may be 350 KB."""
PAUSE_S: Final = 60.0
FULL_PAUSE_S: Final = 1.0
"""While there is more than fits in one go."""

_STATEMENTS: Final = (
    ("DELETE FROM requests WHERE rowid IN (SELECT rowid FROM requests WHERE expires_ms <= ? LIMIT ?)", 0, ROWS),
    ("DELETE FROM side_items WHERE rowid IN (SELECT rowid FROM side_items WHERE expires_ms <= ? LIMIT ?)", 0, PARTS),
    (
        "DELETE FROM connections WHERE rowid IN (SELECT rowid FROM connections WHERE last_ping_ms <= ? LIMIT ?)",
        CONNECTION_LIFE_MS,
        ROWS,
    ),
    (
        "DELETE FROM subscriptions WHERE rowid IN (SELECT rowid FROM subscriptions WHERE expires_ms <= ? LIMIT ?)",
        0,
        ROWS,
    ),
    ("DELETE FROM events WHERE rowid IN (SELECT rowid FROM events WHERE expires_ms <= ? LIMIT ?)", 0, EVENTS),
)


class Purge:
    """When it is time, and for what. `clock` gives Unix milliseconds; `pause_s` lies between two goes."""

    def __init__(self, clock: Callable[[], int], pause_s: float = PAUSE_S) -> None:
        self._clock = clock
        self._pause_s = pause_s
        self._next_s = 0.0  # monotonic; infinity while one is under way

    def begins(self) -> bool:
        """Whether it is time; if so, the caller runs it, and says `ended` whatever comes of it."""
        if time.monotonic() < self._next_s:
            return False
        self._next_s = math.inf
        return True

    def __call__(self, connection: sqlite3.Connection) -> bool:
        """Deletes what has expired, bounded. Whether there may be more."""
        return delete_expired(connection, self._clock())

    def ended(self, *, more: bool) -> None:
        self._next_s = time.monotonic() + (min(FULL_PAUSE_S, self._pause_s) if more else self._pause_s)


def delete_expired(connection: sqlite3.Connection, now_ms: int) -> bool:
    """Whether there may be more."""
    full = [
        connection.execute(statement, (now_ms - life_ms, limit)).rowcount == limit
        for statement, life_ms, limit in _STATEMENTS
    ]
    return any(full)
