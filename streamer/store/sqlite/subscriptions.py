"""Who watches which job."""

import sqlite3
from collections.abc import Callable, Collection, Sequence
from dataclasses import astuple, fields
from typing import Any, Final

from streamer.store.base import Subscription
from streamer.store.sqlite.engine import Engine

_NAMES: Final = tuple(field.name for field in fields(Subscription))
_COLUMNS: Final = ", ".join(_NAMES)
_MARKS: Final = ", ".join("?" for _ in _NAMES)
# Column names are the fields of Subscription; values are always bound.
_PUT: Final = f"INSERT OR REPLACE INTO subscriptions ({_COLUMNS}) VALUES ({_MARKS})"  # noqa: S608
_LIST: Final = f"SELECT {_COLUMNS} FROM subscriptions WHERE job_id = ? AND expires_ms > ? ORDER BY connection_id"  # noqa: S608
_DELETE: Final = "DELETE FROM subscriptions WHERE job_id = ? AND connection_id = ?"


class SqliteSubscriptions:
    """`store.base.SubscriptionStore` on the table `subscriptions`."""

    def __init__(self, engine: Engine, clock: Callable[[], int]) -> None:
        self._engine = engine
        self._clock = clock

    async def subscribe(self, subscription: Subscription) -> None:
        await self._change("subscribe", _PUT, [astuple(subscription)])

    async def unsubscribe(self, job_id: str, connection_ids: Collection[str]) -> None:
        await self._change("unsubscribe", _DELETE, [(job_id, connection_id) for connection_id in connection_ids])

    async def list_by_request(self, job_id: str) -> Sequence[Subscription]:
        now = self._clock()

        def select(file: sqlite3.Connection) -> Sequence[Subscription]:
            rows = file.execute(_LIST, (job_id, now))
            return [Subscription(**dict(zip(_NAMES, row, strict=True))) for row in rows]

        return await self._engine.read("list_subscriptions", select)

    async def _change(self, verb: str, statement: str, values: Sequence[Sequence[Any]]) -> None:
        def change(file: sqlite3.Connection) -> None:
            file.executemany(statement, values)

        await self._engine.write(verb, change)
