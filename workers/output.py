"""The output of an attempt: numbered, sent live, and stored in batches; none of it is lost."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Final

from streamer.cluster.courier import Courier
from streamer.cluster.lanes import report_death
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.store.back_off import persistently
from streamer.store.base import Chunk, EventLog
from workers.numbering import Numbering
from workers.progress import Subject

BATCH_S: Final = 0.5
"""How long a chunk waits, at most, before it is stored."""
BATCH_BYTES: Final = 16_384
"""With so much, a batch waits no longer."""
MAX_UNSTORED_BYTES: Final = 1 << 18
CHUNK_BYTES: Final = 64
"""What a chunk counts beside its data, so that many tiny ones are not taken for nothing."""


class Output:
    """The chunks of one attempt, from index `numbering.chunks` on. Used on the loop.

    One write at a time, in order. A batch is fixed before it is written, and written again, as long as the store is
    away, until it is stored: the log holds no chunk twice and leaves none out.
    """

    def __init__(
        self,
        subject: Subject,
        events: EventLog,
        courier: Courier,
        numbering: Numbering,
        *,
        batch_s: float = BATCH_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.stored = numbering.chunks  # all chunks below are in the log
        self._subject = subject
        self._events = events
        self._courier = courier
        self._numbering = numbering
        self._batch_s = batch_s
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._waiting: list[Chunk] = []  # in no batch yet
        self._waiting_bytes = 0
        self._batch_bytes = 0  # of the one that is fixed, and not known to be stored
        self._due = 0.0  # loop time at which the first that waits is to be written
        self._timer: asyncio.TimerHandle | None = None  # while it is waited for
        self._writing: asyncio.Task[None] | None = None  # the write under way, or the last one
        self._is_dropped = False

    @property
    def has_room(self) -> bool:
        """Whether at most 256 KiB are not stored."""
        return self._waiting_bytes + self._batch_bytes <= MAX_UNSTORED_BYTES

    def put(self, data: bytes) -> None:
        """The next piece: numbered and sent now, stored soon. Never blocks."""
        index, seq = self._numbering.next_index(), self._numbering.next()
        self._send(index, seq, data)
        if not self._waiting:
            self._due = self._loop.time() + self._batch_s
        self._waiting.append(Chunk(index, self._subject.job.attempt, seq, data))
        self._waiting_bytes += _size(data)
        self._plan()

    async def room(self) -> None:
        """Waits while over 256 KiB are not stored."""
        while not self.has_room:
            await asyncio.shield(self._write_now())

    async def flush(self) -> int:
        """Returns when everything that was put so far is stored; and how many chunks that makes.

        Raises CancelledError where the output was dropped.
        """
        count = self._numbering.chunks
        while self.stored < count:
            await asyncio.shield(self._write_now())
        return count

    def drop(self) -> None:
        """The attempt is over: what is not stored never will be."""
        self._is_dropped = True
        self._stop_timer()
        if self._writing is not None:
            self._writing.cancel()

    async def ended(self) -> None:
        """Waits for a write that was under way."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    def _send(self, index: int, seq: int, data: bytes) -> None:
        job, audience = self._subject.job, self._subject.audience
        if audience:
            frame = frames.chunk(Place(job.client_id, job.job_id, job.attempt, seq), index, data, self._clock())
            self._courier.send(job, "chunk", seq, frame, to=audience, chunks=index)

    # --- the log --------------------------------------------------------------------------------------------

    def _plan(self) -> None:
        """Sees to it that what waits is written when it is due."""
        if not self._waiting or not self._may_begin():
            return
        if self._waiting_bytes >= BATCH_BYTES:
            self._write_now()
        elif self._timer is None:
            self._timer = self._loop.call_at(self._due, self._write_now)

    def _write_now(self) -> asyncio.Task[None]:
        """The write under way, or else one of everything that waits."""
        if self._is_dropped:
            raise asyncio.CancelledError
        self._stop_timer()
        if self._writing is None or self._may_begin():
            batch, self._waiting = self._waiting, []
            self._batch_bytes, self._waiting_bytes = self._waiting_bytes, 0
            name = f"output {self._subject.job.job_id}"
            self._writing = asyncio.create_task(self._write(batch), name=name)
            self._writing.add_done_callback(self._written)
        return self._writing

    def _may_begin(self) -> bool:
        """One write at a time, and none after one that died: past a hole nothing would be read."""
        return self._writing is None or (self._writing.done() and self._writing.exception() is None)

    async def _write(self, batch: Sequence[Chunk]) -> None:
        await persistently(lambda: self._events.append_events(self._subject.job, batch))
        self.stored += len(batch)
        self._batch_bytes = 0

    def _written(self, task: asyncio.Task[None]) -> None:
        report_death(task)
        if not self._is_dropped:
            self._plan()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _size(data: bytes) -> int:
    return len(data) + CHUNK_BYTES
