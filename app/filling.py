"""Reading the log for a connection that lacks something: after a reconnect, or where a lane dropped chunks."""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import structlog

from app import outcome
from app.connection import Connection
from app.owners import Owners
from app.tasks import Tasks
from app.tracker import Frame, Tracker
from streamer.errors import StoreUnavailable
from streamer.jobs.model import WAITING, Failure, Job, Status
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.store.base import Chunk, EventLog, RequestQueue

log = structlog.get_logger()

MAX_READS: Final = 16
"""Pages that are read at a time, in all; the others wait."""
FIRST_PAUSE_S: Final = 0.1
MAX_PAUSE_S: Final = 5.0
OVER: Final = Failure("WORKER_LOST", "An earlier attempt is over; the request runs again.", retryable=True)
"""What `retrying` says of an attempt whose end this connection did not hear of."""


class Fillings:
    """Gives trackers what comes before the frames that they hold: chunks of the log, the newest progress, the outcome.

    Chunks are pulled: one is written when the socket takes it, so a slow reader costs a page of memory and no more.
    """

    def __init__(
        self,
        *,
        requests: RequestQueue,
        events: EventLog,
        owners: Owners,
        tasks: Tasks,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._requests = requests
        self._events = events
        self._owners = owners
        self._tasks = tasks
        self._first_pause_s = first_pause_s
        self._reading = asyncio.Semaphore(MAX_READS)
        self._under_way: dict[Tracker, asyncio.Task[None]] = {}
        self._pages: dict[PageKey, asyncio.Future[Sequence[Chunk]]] = {}  # reads under way

    def start(
        self, connection: Connection, tracker: Tracker, row: Job | None = None, *, emitted: int | None = None
    ) -> asyncio.Task[None] | None:
        """Fills a tracker, then lets it go on live; the tracker holds everything meanwhile. Returns whoever does it,
        None where it is done.

        `row`: as just read, None: it is read here. `emitted`: how many chunks the running attempt is known to have
        stored; where the client has them all, the log is not read. Where somebody does it already, nothing more is
        begun.
        """
        if (doing := self._under_way.get(tracker)) is not None:
            return doing
        tracker.begin_filling()
        if row is not None and _lacks_nothing(tracker, row, emitted):
            tracker.stands(row)
            _hear_progress(connection, tracker, row)
            tracker.is_served = False
            connection.pass_on(tracker, tracker.end_filling(), time.time())
            return None
        task = self._tasks.start(self._fill(connection, tracker, row), f"filling {tracker.job_id}")
        self._under_way[tracker] = task
        return task

    def gap(self, connection: Connection, tracker: Tracker) -> None:
        """A frame came before which something is missing."""
        self.start(connection, tracker)

    async def _fill(self, connection: Connection, tracker: Tracker, row: Job | None) -> None:
        pause_s = self._first_pause_s
        try:
            while not await self._is_filled(connection, tracker, row):
                row = None
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, MAX_PAUSE_S)
        finally:  # not later, or a frame in between would find nobody
            tracker.is_served = False
            del self._under_way[tracker]

    async def _is_filled(self, connection: Connection, tracker: Tracker, row: Job | None) -> bool:
        """One go; True where nothing is left to do."""
        try:
            if row is None:
                row = await self._requests.get(tracker.job_id)
            if row is None:
                _give_up(connection, tracker)
                return True
            await self._read(connection, tracker, row)
            if not _is_needed(connection, tracker):
                return True
            return await self._let_go(connection, tracker, row)
        except StoreUnavailable as error:
            log.info("log_not_read", job_id=tracker.job_id, reason=str(error))
            return not _is_needed(connection, tracker)

    async def _read(self, connection: Connection, tracker: Tracker, row: Job) -> None:
        """Everything that is in the log by now."""
        _void(connection, tracker, row)
        _hear_progress(connection, tracker, row)
        while _may_lack_chunks(tracker, row) and (page := await self._page(row, tracker.chunks)):
            for chunk in page:
                await connection.outbox.ready()
                if not _is_needed(connection, tracker):
                    return
                connection.pass_on(tracker, tracker.fill(_frame(row, chunk)), time.time())

    async def _page(self, row: Job, start: int) -> Sequence[Chunk]:
        """One read for all who lack the same: what one watcher of a job missed, a thousand did."""
        key = (row.job_id, row.attempt, row.status, start)
        if (reading := self._pages.get(key)) is not None:
            return await asyncio.shield(reading)
        reading = self._pages[key] = asyncio.get_running_loop().create_future()
        try:
            async with self._reading:
                page = await self._events.read_events(row, start)
        except BaseException:
            reading.set_exception(StoreUnavailable())  # the others ask again
            reading.exception()  # there may be none
            raise
        finally:
            del self._pages[key]
        reading.set_result(page)
        return page

    async def _let_go(self, connection: Connection, tracker: Tracker, row: Job) -> bool:
        """Back to live frames. False where they begin later than the log ends: it is behind, or the row is."""
        now = time.time()
        if row.finished:
            last = await outcome.of(row, self._requests, now)
            await connection.outbox.ready()
            tracker.skip_to(row.chunks)  # what is not there by now has expired
            connection.pass_on(tracker, tracker.end_filling(), now)
            connection.deliver(tracker, last, now)
            return True
        connection.pass_on(tracker, tracker.end_filling(), now)
        if tracker.filling and _is_needed(connection, tracker):
            await self._owners.flush([row], connection.connection_id)
            return False
        return True


PageKey = tuple[str, int, Status, int]
"""Job, attempt, status of the row by which it is read, and where the page begins."""


def _is_needed(connection: Connection, tracker: Tracker) -> bool:
    is_there = connection.trackers.get(tracker.job_id) is tracker
    return is_there and not connection.outbox.closed and not tracker.done


def _may_lack_chunks(tracker: Tracker, row: Job) -> bool:
    return tracker.takes_chunks and not (row.finished and row.chunks <= tracker.chunks)


def _lacks_nothing(tracker: Tracker, row: Job, emitted: int | None) -> bool:
    if row.finished or tracker.void_from(row) is not None:
        return False
    stored = row.kept_chunks if row.status in WAITING else emitted
    return not tracker.takes_chunks or (stored is not None and stored <= tracker.chunks)


def _hear_progress(connection: Connection, tracker: Tracker, row: Job) -> None:
    progress = None if row.finished else outcome.progress(row, time.time())
    if progress is not None:
        connection.deliver(tracker, progress, time.time())  # held until its turn


def _void(connection: Connection, tracker: Tracker, row: Job) -> None:
    """Tells, as `retrying` does, of output that does not stand any more."""
    standing = tracker.void_from(row)
    if standing is not None:
        _tell_void(connection, tracker, row, standing)
    tracker.stands(row)


def _tell_void(connection: Connection, tracker: Tracker, row: Job, standing: int) -> None:
    now = time.time()
    attempt, seq = tracker.next_position(row)
    retry_at = now if row.due_ms is None else row.due_ms / 1000
    place = Place(row.client_id, row.job_id, attempt, seq)
    body = frames.retrying(place, row.error or OVER, retry_at, now, continues_from=standing)
    frame = Frame("retrying", attempt, seq, body, chunks=standing)
    connection.pass_on(tracker, tracker.voided(frame), now)


def _frame(row: Job, chunk: Chunk) -> Frame:
    place = Place(row.client_id, row.job_id, chunk.attempt, chunk.seq)
    body = frames.chunk(place, chunk.index, chunk.data, time.time())
    return Frame("chunk", chunk.attempt, chunk.seq, body, chunks=chunk.index)


def _give_up(connection: Connection, tracker: Tracker) -> None:
    """There is no row: its time to live is over."""
    now = time.time()
    connection.pass_on(tracker, tracker.end_filling(), now)
    connection.deliver(tracker, outcome.expired(tracker.job_id, tracker.request_id, now), now)
