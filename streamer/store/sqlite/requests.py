"""The rows of the queue, and what lies beside them."""

import sqlite3
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import orjson

from streamer.jobs import lifecycle
from streamer.jobs.lifecycle import KEEP, Transition
from streamer.jobs.model import Aside, Entry, Job
from streamer.store.base import Refused
from streamer.store.engine import MAX_MS, Made
from streamer.store.sqlite.columns import COLUMNS, decode, encode, encode_job
from streamer.store.sqlite.engine import Engine

MAX_INLINE_BYTES: Final = 4_096
"""Of bodies on the row: one page of the file, rewritten with every change of the row."""

# Column names are constants of this package; values are always bound.
_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM requests"  # noqa: S608
_READ: Final = f"{_SELECT} WHERE job_id IN (SELECT value FROM json_each(?))"  # noqa: S608
_PUT: Final = f"INSERT OR REPLACE INTO requests ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
_NEWEST: Final = """SELECT created_ms, job_id FROM requests
    WHERE tenant = ? AND user = ? AND (created_ms, job_id) < (?, ?) ORDER BY created_ms DESC, job_id DESC LIMIT ?"""
_LAST_CHARACTER: Final = chr(0x10FFFF)


class SqliteRows:
    """`store.engine.Rows` on the tables `requests` and `side_items`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def insert(self, job: Job, now_ms: int) -> Job | None:
        return await self._engine.write("insert", lambda connection: insert(connection, job, now_ms))

    async def update_status(self, job_id: str, transition: Transition) -> Job:
        return await self._engine.write(transition.name, lambda connection: update(connection, job_id, transition))

    async def read(self, job_ids: Collection[str]) -> Mapping[str, Job]:
        rows = await self._rows("read", _READ, orjson.dumps(list(job_ids)).decode())
        jobs = [decode(row) for row in rows]
        return {job.job_id: job for job in jobs}

    async def entries(
        self,
        partition: str,
        *,
        limit: int,
        up_to: str | None = None,
        prefix: str | None = None,
        after: str | None = None,
    ) -> Sequence[tuple[str, Entry]]:
        rows = await self._rows(
            "entries",
            "SELECT job_id, entry_sort FROM requests WHERE entry_partition = ? AND entry_sort >= ? AND entry_sort > ? "
            "AND entry_sort < ? ORDER BY entry_sort, job_id LIMIT ?",
            partition,
            prefix or "",
            after or "",
            _below(up_to, prefix),
            limit,
        )
        return [(job_id, Entry(partition, sort)) for job_id, sort in rows]

    async def count(self, partition: str, *, limit: int, up_to: str | None = None) -> int:
        rows = await self._rows(
            "count",
            "SELECT count(*) FROM (SELECT 1 FROM requests WHERE entry_partition = ? AND entry_sort < ? LIMIT ?)",
            partition,
            _below(up_to, None),
            limit,
        )
        return int(rows[0][0])

    async def newest(self, tenant: str, user: str, limit: int) -> Sequence[str]:
        rows = await self._rows(
            "newest",
            "SELECT job_id FROM requests WHERE tenant = ? AND user = ? ORDER BY created_ms DESC, job_id LIMIT ?",
            tenant,
            user,
            limit,
        )
        return [job_id for (job_id,) in rows]

    @property
    def user_shards(self) -> int:
        return 1

    async def newest_in(
        self, _: int, tenant: str, user: str, *, limit: int, after: Made | None = None, until_ms: int = MAX_MS
    ) -> Sequence[Made]:
        rows = await self._rows("newest", _NEWEST, tenant, user, *(after or Made(until_ms + 1, "")), limit)
        return [Made(*row) for row in rows]

    async def put_aside(self, job_id: str, name: str, parts: Sequence[bytes], expires_ms: int) -> None:
        items = [(job_id, name, part, body, expires_ms) for part, body in enumerate(parts)]
        await self._engine.write("put_aside", lambda connection: put_parts(connection, items))

    async def get_aside(self, job_id: str, aside: Aside) -> Sequence[bytes] | None:
        rows = await self._rows(
            "get_aside",
            "SELECT body FROM side_items WHERE job_id = ? AND name = ? AND part < ? ORDER BY part",
            job_id,
            aside.name,
            aside.parts,
        )
        return [body for (body,) in rows] if len(rows) == aside.parts else None

    def fits(self, job: Job) -> bool:
        bodies = (job.payload, job.result, job.checkpoint)
        return sum(len(body) for body in bodies if isinstance(body, bytes)) <= MAX_INLINE_BYTES

    async def _rows(self, verb: str, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        return await self._engine.read(verb, lambda connection: connection.execute(statement, values).fetchall())


def insert(connection: sqlite3.Connection, job: Job, now_ms: int) -> Job | None:
    """None where the row was put, else the one that is there and has not expired."""
    present = find(connection, job.job_id)
    if present is not None and (present.expires_ms is None or present.expires_ms > now_ms):
        return present
    connection.execute(_PUT, encode_job(job))
    return None


def update(connection: sqlite3.Connection, job_id: str, transition: Transition) -> Job:
    """Applies the transition by its own definition; writes the columns that change and no others."""
    before = find(connection, job_id)
    if before is None or lifecycle.refuses(transition.guard, before):
        raise Refused(transition.name, before)
    after = lifecycle.applied(transition, before)
    changes = {name: getattr(after, name) for name in _touched(transition)}
    row = encode({name: value for name, value in changes.items() if value != getattr(before, name)})
    if row:
        columns = ", ".join(f"{name} = ?" for name in row)
        connection.execute(f"UPDATE requests SET {columns} WHERE job_id = ?", (*row.values(), job_id))  # noqa: S608
    return after


def find(connection: sqlite3.Connection, job_id: str) -> Job | None:
    row = connection.execute(f"{_SELECT} WHERE job_id = ?", (job_id,)).fetchone()
    return None if row is None else decode(row)


def put_parts(connection: sqlite3.Connection, items: Sequence[tuple[str, str, int, bytes, int]]) -> None:
    """The same name has the same bytes within one life of a row; an expired one may have left others behind."""
    connection.executemany("INSERT OR REPLACE INTO side_items VALUES (?, ?, ?, ?, ?)", items)


def _touched(transition: Transition) -> Sequence[str]:
    names = [*transition.sets, *transition.defaults, *transition.adds]
    if transition.entry is not KEEP:
        names.append("entry")
    if transition.join is not None:
        names.append("routes")
    return names


def _below(up_to: str | None, prefix: str | None) -> str:
    ends = [end for end in (up_to, prefix and prefix + _LAST_CHARACTER) if end]
    return min(ends, default=_LAST_CHARACTER)
