"""Watching jobs: one's own from another connection, or, with the permission, somebody else's of the same tenant."""

import contextlib
import time
from typing import Final

from app import faults
from app.binding import Bindings
from app.catchup import CatchUps
from app.connection import Connection
from app.listeners import Listeners
from app.tracker import Tracker
from streamer.auth import Principal
from streamer.errors import NotFound, RateLimited, StoreUnavailable
from streamer.jobs.model import Job
from streamer.protocol import frames
from streamer.protocol.messages import Subscribe, Unsubscribe
from streamer.store.base import RequestQueue
from streamer.telemetry import audit

PERMISSION: Final = "requests:watch"
MAX_WATCHED: Final = 100
"""Jobs that one connection watches at a time."""
AFTER_MS: Final = 5_000


class Watches:
    """Answers `subscribe` and `unsubscribe` frames."""

    def __init__(self, *, requests: RequestQueue, bindings: Bindings, listeners: Listeners, catchups: CatchUps) -> None:
        self._requests = requests
        self._bindings = bindings
        self._listeners = listeners
        self._catchups = catchups

    async def subscribe(self, connection: Connection, message: Subscribe) -> None:
        """The job's frames come from where the client says it is, under the job's id. A finished job's outcome comes.

        A job that is unknown, expired, or not for this caller, is refused in the same words.
        """
        with faults.answering(connection, message.job_id):
            asker = connection.principal
            await self._bindings.settled(connection)
            row = await self._visible(connection, asker, message.job_id)
            tracker = _tracker(connection, message)
            if tracker is None:
                _tell_subscribed(connection, row)
            else:
                tracker.is_strangers = row.user != asker.user
                await self._watch(connection, tracker, row)

    async def unsubscribe(self, connection: Connection, message: Unsubscribe) -> None:
        """Nothing more of the job comes, unless this connection asked for the job itself."""
        with faults.answering(connection, message.job_id):
            await self._bindings.settled(connection)
            tracker = connection.trackers.get(message.job_id)
            row = None
            if tracker is not None and tracker.is_watcher:
                connection.forget(tracker)
                row = await self._listeners.unsubscribe(connection, message.job_id)
            if connection.speaks_v1:
                connection.outbox.put(frames.unsubscribed(message.job_id, row, time.time()))

    async def withdraw(self, connection: Connection) -> None:
        """The caller may have lost the permission: then nothing more of what it watches of others comes, from now on,
        and it is told so."""
        if connection.principal.may(PERMISSION):
            return
        withdrawn = [tracker for tracker in connection.trackers.values() if tracker.is_watcher and tracker.is_strangers]
        for tracker in withdrawn:
            connection.forget(tracker)
        for tracker in withdrawn:
            with contextlib.suppress(StoreUnavailable):  # the listeners remove it later
                await self._listeners.unsubscribe(connection, tracker.job_id)
            if connection.speaks_v1:
                connection.outbox.put(frames.unsubscribed(tracker.job_id, None, time.time()))

    async def _visible(self, connection: Connection, asker: Principal, job_id: str) -> Job:
        """`asker`: who was behind the connection when it asked; its token then and its token now must both do."""
        row = await self._requests.get(job_id)
        if row is None:
            raise NotFound
        if not (may_see(asker, row) and may_see(connection.principal, row)):
            audit.record("refused", asker, result=NotFound.code, frame="subscribe", job_id=job_id)
            raise NotFound
        audit.record("watch", asker, result=row.status, job_id=job_id, owner=row.user)
        return row

    async def _watch(self, connection: Connection, tracker: Tracker, row: Job) -> None:
        try:
            if not row.finished:
                row = await self._listeners.subscribe(connection, row)
        except BaseException:  # also where this task is stopped
            connection.forget(tracker)
            raise
        if row.job_id not in connection.trackers:  # it was unsubscribed meanwhile
            await self._listeners.unsubscribe(connection, row.job_id)
        elif connection.trackers[row.job_id] is tracker:  # else it was subscribed to anew after that
            _tell_subscribed(connection, row)
            await self._catchups.catch_up(connection, [(tracker, row)])


def may_see(principal: Principal, row: Job) -> bool:
    """A job is its user's, and for those of the tenant who may watch."""
    return row.tenant == principal.tenant and (row.user == principal.user or principal.may(PERMISSION))


def _tracker(connection: Connection, message: Subscribe) -> Tracker | None:
    """From now on what comes of the job is held. None where this connection waits for it already."""
    watched = sum(tracker.is_watcher for tracker in connection.trackers.values())
    if watched >= MAX_WATCHED and message.job_id not in connection.trackers:
        raise RateLimited(f"At most {MAX_WATCHED} jobs may be watched at a time.", after_ms=AFTER_MS)
    return connection.resume(message.job_id, message.seen, wants=message.events, let_in=True)


def _tell_subscribed(connection: Connection, row: Job) -> None:
    if connection.speaks_v1:
        connection.outbox.put(frames.subscribed(row, time.time()))
