"""Chunks and inbox entries: what lies beside the rows and is read in the order of its names."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Final

from streamer.store.sqlite.engine import Engine

_PUT: Final = "INSERT OR REPLACE INTO events (partition, sort, body, expires_ms) VALUES (?, ?, ?, ?)"
BETWEEN: Final = """SELECT sort, body FROM events
    WHERE partition = ? AND sort BETWEEN ? AND ? AND expires_ms > ? ORDER BY sort LIMIT ?"""
_DELETE: Final = "DELETE FROM events WHERE partition = ? AND sort = ?"


class SqliteSideItems:
    """`store.engine.SideItems` on the table `events`."""

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._clock = clock

    async def put(self, partition: str, sort: str, body: bytes, expires_ms: int) -> None:
        await self._change("put_event", _PUT, partition, sort, body, expires_ms)

    async def between(self, partition: str, low: str, high: str, *, limit: int) -> Sequence[tuple[str, bytes]]:
        values = (partition, low, high, self._clock(), limit)

        def select(connection: sqlite3.Connection) -> list[tuple[str, bytes]]:
            return connection.execute(BETWEEN, values).fetchall()

        return await self._engine.read("read_events", select)

    async def delete(self, partition: str, sort: str) -> None:
        await self._change("delete_event", _DELETE, partition, sort)

    async def _change(self, verb: str, statement: str, *values: Any) -> None:
        def change(connection: sqlite3.Connection) -> None:
            connection.execute(statement, values)

        await self._engine.write(verb, change)
