"""Through the jobs of one user, the newest first, all parts of the index merged."""

import base64
import binascii
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Final

import orjson

from streamer.errors import InvalidMessage
from streamer.jobs import ids
from streamer.jobs.model import Job, Status
from streamer.store.admin import JobPage
from streamer.store.engine import MAX_MS, Made, Rows
from streamer.store.fan_out import each

AHEAD: Final = 100
"""Rows that are read at a time where most may not have the status that was asked for."""
MAX_LOOKED: Final = 500
"""Rows that are read for one page of those that have a status; what is left is for the next page."""

Read = Callable[[Collection[str]], Awaitable[Mapping[str, Job]]]
"""`RequestQueue.get_many`."""


class Listing:
    """One page of a user's jobs.

    * `_top`: when the first job of the first page was made: newer ones are on no later page.
    * `_at`: by part of the index, the last place that was given; None at the beginning.
    * `_heads`: by part, what was read and not given yet.
    * `_ended`: the parts of which everything was read.
    """

    def __init__(self, rows: Rows, tenant: str, user: str, cursor: str | None) -> None:
        self._rows = rows
        self._tenant = tenant
        self._user = user
        parts = rows.user_shards
        self._top = MAX_MS
        self._at: list[Made | None] = [None] * parts
        if cursor is not None:
            self._top, self._at = _positions(cursor, parts)
        self._heads: Sequence[deque[Made]] = [deque() for _ in range(parts)]
        self._ended: set[int] = set()

    async def page(self, read: Read, limit: int, status: Status | None) -> JobPage:
        """The next `limit` jobs that are there and have that status; called once."""
        jobs: list[Job] = []
        looked = 0
        while looked < MAX_LOOKED:
            step = await self._next(limit - len(jobs) + 1 if status is None else AHEAD)
            if not step:
                return JobPage(jobs, None)
            rows = await read([made.job_id for _, made in step])
            for part, made in step:
                if len(jobs) == limit:
                    return JobPage(jobs, self._cursor)
                self._at[part] = made
                self._top = made.created_ms if self._top == MAX_MS else self._top
                job = rows.get(made.job_id)
                if job is not None and status in (None, job.status):
                    jobs.append(job)
            looked += len(step)
        return JobPage(jobs, self._cursor)

    async def _next(self, count: int) -> Sequence[tuple[int, Made]]:
        """At most so many places, each with its part of the index; none at the end."""
        found: list[tuple[int, Made]] = []
        while len(found) < count:
            empty = [part for part, head in enumerate(self._heads) if not head and part not in self._ended]
            await each(lambda part: self._fill(part, found, count), empty)
            parts = [part for part, head in enumerate(self._heads) if head]
            if not parts:
                break
            newest = max(parts, key=lambda part: self._heads[part][0].created_ms)
            found.append((newest, self._heads[newest].popleft()))
        return found

    async def _fill(self, part: int, found: Sequence[tuple[int, Made]], limit: int) -> None:
        after = next((made for place, made in reversed(found) if place == part), self._at[part])
        read = await self._rows.newest_in(part, self._tenant, self._user, limit=limit, after=after, until_ms=self._top)
        self._heads[part].extend(read)
        if len(read) < limit:
            self._ended.add(part)

    @property
    def _cursor(self) -> str:
        return base64.urlsafe_b64encode(orjson.dumps([self._top, self._at], default=list)).decode()


def _positions(cursor: str, parts: int) -> tuple[int, list[Made | None]]:
    try:
        found = orjson.loads(base64.b64decode(cursor, b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise InvalidMessage(_REFUSAL) from None
    match found:
        case [int() as top, list() as places] if _is_time(top) and len(places) == parts and all(map(_is_place, places)):
            return top, [None if place is None else Made(*place) for place in places]
    raise InvalidMessage(_REFUSAL)


def _is_place(position: Any) -> bool:
    match position:
        case None:
            return True
        case [int() as created_ms, str() as job_id]:
            return _is_time(created_ms) and ids.JOB_ID.fullmatch(job_id) is not None
    return False


def _is_time(ms: int) -> bool:
    return type(ms) is int and 0 <= ms <= MAX_MS


_REFUSAL: Final = "The cursor is none that a list of requests has given."
