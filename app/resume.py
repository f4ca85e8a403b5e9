"""Coming back: a client names what it waits for and how much of it it has, and gets the rest here."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from app import faults
from app.binding import Bindings
from app.catchup import CatchUps
from app.connection import Connection
from app.listeners import Listeners
from app.tracker import Tracker
from streamer.errors import NotFound, StoreUnavailable
from streamer.jobs import ids
from streamer.jobs.model import Job
from streamer.protocol import frames
from streamer.protocol.messages import Resume, Seen
from streamer.store.base import EventLog, RequestQueue, now_ms

ADMITTED: Final = 64
"""Resumes that ask the store at a time: after the crash of a node thousands come at once."""
WIDTH: Final = 16
"""Rows that one resume writes at a time."""


@dataclass(slots=True, eq=False)
class Entry:
    """One request of a `resume`."""

    seen: Seen
    job_id: str
    tracker: Tracker | None  # None where this connection waits for it already
    row: Job | None = None  # as newly read; None before, and where there is none
    error: Exception | None = None  # why it cannot be had


class Resumes:
    """Answers `resume` frames. `gate`: how many of them ask the store at a time; the others wait."""

    def __init__(
        self,
        *,
        requests: RequestQueue,
        events: EventLog,
        bindings: Bindings,
        listeners: Listeners,
        catchups: CatchUps,
        gate: asyncio.Semaphore,
        ttl_ms: int,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._requests = requests
        self._events = events
        self._bindings = bindings
        self._listeners = listeners
        self._catchups = catchups
        self._gate = gate
        self._ttl_ms = ttl_ms  # how long a chunk is kept, from its write on
        self._clock = clock

    async def resume(self, connection: Connection, message: Resume) -> None:
        """Each request is listed in `resumed` and comes, or is refused; or the frame as a whole is, and none comes."""
        with faults.answering(connection, None):
            others = max(0, len(message.requests) - 1)  # the first was taken with the message
            connection.allowance.owe(others, time.monotonic())
            await self._bindings.settled(connection)
            if message.connection_id is not None:
                await self._bindings.take_up(connection, message.connection_id, message.n)
            entries = [_entry(connection, seen) for seen in message.requests]
            try:
                async with self._gate:
                    await self._find(connection, entries)
                await self._tell(connection, entries)
            except BaseException:  # also where this task is stopped
                for entry in entries:
                    _forget(connection, entry)
                raise
            behind = [(entry.tracker, entry.row) for entry in entries if entry.tracker and entry.row]
            await self._catchups.catch_up(connection, behind)

    async def _find(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Connection first, then rows: an outcome that is written after that finds the connection where it is now."""
        rows = await self._requests.get_many([entry.job_id for entry in entries]) if entries else {}
        for entry in entries:
            entry.row = rows.get(entry.job_id)
            if entry.row is None:
                entry.error = NotFound()
        strange = [(entry, entry.row) for entry in entries if entry.row and _is_strange(entry, entry.row, connection)]
        for start in range(0, len(strange), WIDTH):
            width = strange[start : start + WIDTH]
            await asyncio.gather(*(self._attach(connection, entry, row) for entry, row in width))

    async def _attach(self, connection: Connection, entry: Entry, row: Job) -> None:
        try:
            entry.row = await self._listeners.attach(connection, row)
        except Exception as error:  # noqa: BLE001  # the seam to the engine; the other requests are served
            entry.row, entry.error = None, error

    async def _tell(self, connection: Connection, entries: Sequence[Entry]) -> None:
        if connection.speaks_v1:
            known = [(entry, entry.row) for entry in entries if entry.row is not None]
            listed = [(entry.seen.request_id, row, await self._is_recovered(entry, row)) for entry, row in known]
            connection.outbox.put(frames.resumed(connection.connection_id, listed, time.time()))
        for entry in entries:
            if entry.error is not None and entry.tracker is not None:
                _forget(connection, entry)
                faults.refuse(connection, entry.error, entry.seen.request_id)

    async def _is_recovered(self, entry: Entry, row: Job) -> bool:
        """Whether nothing has expired of what the client lacks. The log is only asked where that may be."""
        if entry.tracker is None or row.created_ms + self._ttl_ms > self._clock():
            return True
        standing = entry.tracker.void_from(row)
        start = entry.seen.chunks if standing is None else standing
        try:
            page = await self._events.read_events(row, start)
        except StoreUnavailable:
            return False
        return page[0].index == start if page else max(row.chunks, row.kept_chunks) <= start


def _entry(connection: Connection, seen: Seen) -> Entry:
    principal = connection.principal
    job_id = ids.job_id(principal.tenant, principal.user, seen.request_id)
    return Entry(seen, job_id, connection.resume(job_id, seen))


def _is_strange(entry: Entry, row: Job, connection: Connection) -> bool:
    """Whether the row is still to be told of this connection."""
    is_new = entry.tracker is not None
    return is_new and not row.finished and connection.connection_id not in row.routes


def _forget(connection: Connection, entry: Entry) -> None:
    if entry.tracker is not None:
        connection.forget(entry.tracker)
