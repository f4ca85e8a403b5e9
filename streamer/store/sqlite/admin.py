"""What an operator lists and deletes."""

import sqlite3
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from streamer.jobs import lifecycle
from streamer.jobs.lifecycle import Guard
from streamer.jobs.model import Job
from streamer.store.admin import Place
from streamer.store.sqlite.columns import COLUMNS, decode
from streamer.store.sqlite.engine import Engine
from streamer.store.sqlite.requests import find

ROWS: Final = 500
"""That are read in one go."""
_START: Final = Place("", "")

_PAGE: Final = """SELECT entry_sort, job_id FROM requests WHERE entry_partition = ? AND (entry_sort, job_id) > (?, ?)
    ORDER BY entry_sort, job_id LIMIT ?"""
# Column names are constants of this package; values are always bound.
_OF: Final = f"""SELECT {", ".join(COLUMNS)} FROM requests
    WHERE tenant = ?1 AND (?2 IS NULL OR user = ?2) AND job_id > ?3 ORDER BY job_id LIMIT ?4"""  # noqa: S608
_DELETE_ROW: Final = "DELETE FROM requests WHERE job_id = ?"
_DELETE_BESIDE: Final = (
    "DELETE FROM side_items WHERE job_id = ?",
    "DELETE FROM events WHERE partition = ?",
    "DELETE FROM subscriptions WHERE job_id = ?",
)
_DELETE_WATCHES: Final = "DELETE FROM subscriptions WHERE tenant = ?1 AND (?2 IS NULL OR user = ?2)"


class SqliteAdminRows:
    """`store.admin.AdminRows` on the whole file."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def page(self, partition: str, *, limit: int, after: Place | None = None) -> Sequence[Place]:
        values = (partition, *(after or _START), limit)
        return [Place(*row) for row in await self._select("admin_page", _PAGE, *values)]

    async def delete_row(self, job_id: str, guard: Guard) -> Job | None:
        def delete(connection: sqlite3.Connection) -> Job | None:
            row = find(connection, job_id)
            if row is None or lifecycle.refuses(guard, row):
                return None
            connection.execute(_DELETE_ROW, (job_id,))
            return row

        return await self._engine.write("delete_row", delete)

    async def delete_beside(self, partition: str) -> int:
        def delete(connection: sqlite3.Connection) -> int:
            return sum(connection.execute(statement, (partition,)).rowcount for statement in _DELETE_BESIDE)

        return await self._engine.write("delete_beside", delete)

    async def jobs_of(self, tenant: str, user: str | None) -> AsyncIterator[Sequence[Job]]:
        after = ""
        while rows := await self._select("admin_jobs", _OF, tenant, user, after, ROWS):
            jobs = [decode(row) for row in rows]
            yield jobs
            after = jobs[-1].job_id

    async def delete_watches(self, tenant: str, user: str | None) -> int:
        def delete(connection: sqlite3.Connection) -> int:
            return connection.execute(_DELETE_WATCHES, (tenant, user)).rowcount

        return await self._engine.write("delete_watches", delete)

    async def _select(self, verb: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return await self._engine.read(verb, lambda connection: connection.execute(statement, values).fetchall())
