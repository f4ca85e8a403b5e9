"""Which processes live."""

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from streamer.store.base import NodeRow
from streamer.store.sqlite.engine import Engine

_BEAT: Final = """INSERT INTO nodes (kind, node_id, beat, info) VALUES (?, ?, 1, ?)
    ON CONFLICT (kind, node_id) DO UPDATE SET beat = beat + 1, info = excluded.info RETURNING beat"""
_LIST: Final = "SELECT node_id, beat, info FROM nodes WHERE kind = ? ORDER BY node_id"
_REMOVE: Final = "DELETE FROM nodes WHERE kind = ?1 AND node_id = ?2 AND (?3 IS NULL OR beat = ?3)"


class SqliteNodes:
    """`store.base.NodeRegistry` on the table `nodes`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def beat(self, kind: str, node_id: str, info: Mapping[str, Any]) -> int:
        text = orjson.dumps(info, default=dict).decode()

        def beat(connection: sqlite3.Connection) -> int:
            rows = connection.execute(_BEAT, (kind, node_id, text)).fetchall()
            return int(rows[0][0])

        return await self._engine.write("beat", beat)

    async def list(self, kind: str) -> Sequence[NodeRow]:
        def select(connection: sqlite3.Connection) -> Sequence[NodeRow]:
            rows = connection.execute(_LIST, (kind,))
            return [NodeRow(kind, node_id, beat, orjson.loads(info)) for node_id, beat, info in rows]

        return await self._engine.read("list_nodes", select)

    async def remove(self, kind: str, node_id: str, *, beat: int | None = None) -> None:
        def remove(connection: sqlite3.Connection) -> None:
            connection.execute(_REMOVE, (kind, node_id, beat))

        await self._engine.write("remove_node", remove)
