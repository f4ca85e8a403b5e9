"""Who is connected, and to which node."""

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple, fields
from typing import Any, Final

import orjson

from streamer.store.base import Connection
from streamer.store.sqlite.engine import Engine
from streamer.store.sqlite.purge import CONNECTION_LIFE_MS

_NAMES: Final = tuple(field.name for field in fields(Connection))
_COLUMNS: Final = ", ".join(_NAMES)
_MARKS: Final = ", ".join("?" for _ in _NAMES)
# Column names are the fields of Connection; values are always bound.
_PUT: Final = f"INSERT OR REPLACE INTO connections ({_COLUMNS}) VALUES ({_MARKS})"  # noqa: S608
_SELECT: Final = f"SELECT {_COLUMNS} FROM connections WHERE last_ping_ms > ?"  # noqa: S608
_ORDER: Final = "ORDER BY connected_ms, connection_id"
_DELETE: Final = "DELETE FROM connections WHERE node_id = ? AND connection_id IN (SELECT value FROM json_each(?))"
_PING: Final = "UPDATE connections SET last_ping_ms = ? WHERE connection_id = ? AND node_id = ?"


class SqliteConnections:
    """`store.base.ConnectionStore` on the table `connections`."""

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._clock = clock

    async def save(self, connection: Connection) -> None:
        await self._change("save_connection", _PUT, *astuple(connection))

    async def get(self, connection_id: str) -> Connection | None:
        rows = await self._select("get_connections", "connection_id = ?", connection_id)
        return rows[0] if rows else None

    async def get_many(self, connection_ids: Collection[str]) -> Mapping[str, Connection]:
        condition = "connection_id IN (SELECT value FROM json_each(?))"
        rows = await self._select("get_connections", condition, _list(connection_ids))
        return {row.connection_id: row for row in rows}

    async def delete(self, connection_ids: Collection[str], node_id: str) -> None:
        await self._change("delete_connection", _DELETE, node_id, _list(connection_ids))

    async def update_last_ping(self, connection_id: str, node_id: str, now_ms: int) -> None:
        await self._change("update_last_ping", _PING, now_ms, connection_id, node_id)

    async def list_by_user(self, tenant: str, user: str) -> Sequence[Connection]:
        return await self._select("list_connections", "tenant = ? AND user = ?", tenant, user)

    async def list_by_tenant(self, tenant: str) -> Sequence[Connection]:
        return await self._select("list_connections", "tenant = ?", tenant)

    async def _change(self, verb: str, statement: str, *values: Any) -> None:
        def change(connection: sqlite3.Connection) -> None:
            connection.execute(statement, values)

        await self._engine.write(verb, change)

    async def _select(self, verb: str, condition: str, *values: Any) -> list[Connection]:
        seen_after = self._clock() - CONNECTION_LIFE_MS

        def select(connection: sqlite3.Connection) -> list[Connection]:
            rows = connection.execute(f"{_SELECT} AND {condition} {_ORDER}", (seen_after, *values))
            return [Connection(**dict(zip(_NAMES, row, strict=True))) for row in rows]

        return await self._engine.read(verb, select)


def _list(values: Collection[str]) -> str:
    return orjson.dumps(list(values)).decode()
