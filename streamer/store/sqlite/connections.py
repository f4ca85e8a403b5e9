"""Who is connected, and to which node."""

import sqlite3
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import astuple, fields
from typing import Any, Final

import orjson

from streamer.store.base import Connection, StaleBinding
from streamer.store.sqlite.engine import Engine
from streamer.store.sqlite.purge import CONNECTION_LIFE_MS

_NAMES: Final = tuple(field.name for field in fields(Connection))
_COLUMNS: Final = ", ".join(_NAMES)
_MARKS: Final = ", ".join("?" for _ in _NAMES)
_NEW: Final = ", ".join(f"{name} = excluded.{name}" for name in _NAMES[1:])
# Column names are the fields of Connection; values are always bound.
_PUT: Final = f"""INSERT INTO connections ({_COLUMNS}) VALUES ({_MARKS})
    ON CONFLICT (connection_id) DO UPDATE SET {_NEW} WHERE last_ping_ms <= ?"""  # noqa: S608
_MINE: Final = "node_id = excluded.node_id AND reconnects <= excluded.reconnects"
_SAVE: Final = f"{_PUT} OR ({_MINE})"
_REBIND: Final = f"""{_PUT} OR (tenant = excluded.tenant AND user = excluded.user
    AND (reconnects < excluded.reconnects OR ({_MINE})))"""
_SELECT: Final = f"SELECT {_COLUMNS} FROM connections WHERE last_ping_ms > ?"  # noqa: S608
_ORDER: Final = "ORDER BY connected_ms, connection_id"
_DELETE: Final = "DELETE FROM connections WHERE connection_id = ? AND reconnects <= ? AND node_id = ?"
_PING: Final = "UPDATE connections SET last_ping_ms = ? WHERE connection_id = ? AND node_id = ?"


class SqliteConnections:
    """`store.base.ConnectionStore` on the table `connections`."""

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._clock = clock

    async def save(self, connection: Connection) -> None:
        await self._change("save_connection", _SAVE, [(*astuple(connection), self._expired_ms())])

    async def rebind(self, connection: Connection) -> Connection | None:
        values = (*astuple(connection), self._expired_ms())

        def rebind(file: sqlite3.Connection) -> tuple[list[Connection], bool]:
            before = self._rows(file, "connection_id = ?", connection.connection_id)
            return before, file.execute(_REBIND, values).rowcount == 1

        before, is_bound = await self._engine.write("rebind_connection", rebind)
        if not is_bound:
            raise StaleBinding
        return before[0] if before else None

    async def get(self, connection_id: str) -> Connection | None:
        rows = await self._select("get_connections", "connection_id = ?", connection_id)
        return rows[0] if rows else None

    async def get_many(self, connection_ids: Collection[str]) -> Mapping[str, Connection]:
        condition = "connection_id IN (SELECT value FROM json_each(?))"
        rows = await self._select("get_connections", condition, _list(connection_ids))
        return {row.connection_id: row for row in rows}

    async def delete(self, bindings: Mapping[str, int], node_id: str) -> None:
        await self._change("delete_connection", _DELETE, [(*binding, node_id) for binding in bindings.items()])

    async def update_last_ping(self, connection_id: str, node_id: str, now_ms: int) -> None:
        await self._change("update_last_ping", _PING, [(now_ms, connection_id, node_id)])

    async def list_by_user(self, tenant: str, user: str) -> Sequence[Connection]:
        return await self._select("list_connections", "tenant = ? AND user = ?", tenant, user)

    async def list_by_tenant(self, tenant: str) -> Sequence[Connection]:
        return await self._select("list_connections", "tenant = ?", tenant)

    async def _change(self, verb: str, statement: str, values: Sequence[Sequence[Any]]) -> None:
        def change(file: sqlite3.Connection) -> None:
            file.executemany(statement, values)

        await self._engine.write(verb, change)

    async def _select(self, verb: str, condition: str, *values: Any) -> list[Connection]:
        return await self._engine.read(verb, lambda file: self._rows(file, condition, *values))

    def _rows(self, file: sqlite3.Connection, condition: str, *values: Any) -> list[Connection]:
        rows = file.execute(f"{_SELECT} AND {condition} {_ORDER}", (self._expired_ms(), *values))
        return [Connection(**dict(zip(_NAMES, row, strict=True))) for row in rows]

    def _expired_ms(self) -> int:
        """A row that was last pinged by then is no more."""
        return self._clock() - CONNECTION_LIFE_MS


def _list(values: Collection[str]) -> str:
    return orjson.dumps(list(values)).decode()
