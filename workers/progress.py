"""How far an attempt is: numbered, sent live and kept on the row, each at its own pace."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import structlog

from streamer.cluster.courier import Courier
from streamer.cluster.lanes import report_death
from streamer.errors import Fenced, StoreUnavailable
from streamer.jobs.model import Job, Progress
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.store.base import RequestQueue
from workers.numbering import Numbering

log = structlog.get_logger()


class Subject(Protocol):
    """The attempt that is told about."""

    @property
    def job(self) -> Job:
        """Its newest known row."""
        ...

    @property
    def audience(self) -> frozenset[str]:
        """The connections that listen."""
        ...

    def learn(self, row: Job) -> None:
        """Takes in a newer row: routes, a requested cancel."""
        ...

    def fenced(self) -> None:
        """Somebody else owns the job by now."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """At most one frame every `live_s`, at most one write every `persist_s`, per request."""

    live_s: float
    persist_s: float


class ProgressReporter:
    """The progress of one attempt. The newest wins; what a pace held back is sent when its time comes.

    A number is given when a frame is sent. The first write is due `persist_s` after the start, so that a short job
    pays none. `row` is held by whoever writes to the row: a number that another one overtakes would be refused.
    """

    def __init__(
        self,
        subject: Subject,
        requests: RequestQueue,
        courier: Courier,
        numbering: Numbering,
        pace: Pace,
        row: asyncio.Lock,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._subject = subject
        self._requests = requests
        self._courier = courier
        self._numbering = numbering
        self._pace = pace
        self._row = row
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self.newest: tuple[Progress, int] | None = None  # that was sent, and its number; None: there was none
        self._held: Progress | None = None  # newest, not yet sent; None: sent
        self._unsaved: tuple[Progress, int] | None = None  # newest sent, and its number; None: written
        self._next_live = self._next_save = self._loop.time()
        self._next_save += pace.persist_s
        self._live_timer: asyncio.TimerHandle | None = None  # None: nothing is held back
        self._save_timer: asyncio.TimerHandle | None = None
        self._saving: asyncio.Task[None] | None = None  # the write under way, or the last one
        self._is_closed = False

    def take(self, progress: Progress) -> None:
        """Takes the newest progress."""
        if self._is_closed:
            return
        self._held = progress
        if self._live_timer is None:
            delay = self._next_live - self._loop.time()
            if delay <= 0:
                self._send()
            else:
                self._live_timer = self._loop.call_later(delay, self._send)

    def close(self) -> None:
        """The attempt is over: nothing is sent or written any more."""
        self._is_closed = True
        for timer in (self._live_timer, self._save_timer):
            if timer is not None:
                timer.cancel()

    async def ended(self) -> None:
        """Waits for a write that was under way."""
        if self._saving is not None:
            await asyncio.wait([self._saving])

    def _send(self) -> None:
        self._live_timer = None
        progress, self._held = self._held, None
        if progress is None:
            return
        self._next_live = self._loop.time() + self._pace.live_s
        seq = self._numbering.next()
        job, audience, chunks = self._subject.job, self._subject.audience, self._numbering.chunks
        if audience:
            frame = frames.progress(Place(job.client_id, job.job_id, job.attempt, seq), progress, self._clock())
            self._courier.send(job, "progress", seq, frame, to=audience, chunks=chunks, percentage=progress.percentage)
        self.newest = self._unsaved = replace(progress, chunks=chunks), seq
        self._plan_save()

    def _plan_save(self) -> None:
        is_saving = self._saving is not None and not self._saving.done()
        if self._save_timer is None and not is_saving and not self._is_closed:
            delay = max(0.0, self._next_save - self._loop.time())
            self._save_timer = self._loop.call_later(delay, self._save)

    def _save(self) -> None:
        self._save_timer = None
        self._next_save = self._loop.time() + self._pace.persist_s
        self._saving = asyncio.create_task(self._write(), name=f"progress {self._subject.job.job_id}")
        self._saving.add_done_callback(self._saved)

    async def _write(self) -> None:
        async with self._row:
            unsaved, self._unsaved = self._unsaved, None
            if unsaved is None or self._is_closed:
                return
            progress, seq = unsaved
            if seq < self._numbering.stored:  # it takes the place of the checkpoint, which has as much output before it
                progress = replace(progress, chunks=self._numbering.chunks)
            self._numbering.stored = max(self._numbering.stored, seq)
            await self._save_as(progress, self._numbering.stored)

    async def _save_as(self, progress: Progress, seq: int) -> None:
        """`seq` may be the number of a checkpoint that was written meanwhile, never that of another frame."""
        try:
            row = await self._requests.save_progress(self._subject.job, progress, seq)
        except StoreUnavailable as error:  # the next progress is newer anyway
            log.debug("progress_not_saved", job_id=self._subject.job.job_id, reason=str(error))
        except Fenced:
            if not self._is_closed:
                self._subject.fenced()
        else:
            if not self._is_closed:
                self._subject.learn(row)

    def _saved(self, task: asyncio.Task[None]) -> None:
        report_death(task)
        if self._unsaved is not None:
            self._plan_save()
