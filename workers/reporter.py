"""What a handler tells in a worker, on its way to the store and to those who listen."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any

from streamer.cluster.courier import Courier
from streamer.context import DONE
from streamer.errors import Fenced
from streamer.jobs.model import Progress
from streamer.store.back_off import persistently
from streamer.store.base import EventLog, RequestQueue
from workers.numbering import Numbering
from workers.output import BATCH_S, Output
from workers.progress import Pace, ProgressReporter, Subject


class AttemptReporter:
    """The `Reporter` of one attempt, which is the `subject`: hands progress, output and checkpoints to whoever carries
    them away, and lets threads in.

    A thread that tells something waits until the loop has taken it. `interrupt` wakes it: its handler was stopped.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        requests: RequestQueue,
        events: EventLog,
        courier: Courier,
        pace: Pace,
        batch_s: float = BATCH_S,
    ) -> None:
        self._subject = subject
        self._requests = requests
        self._numbering = Numbering(subject.job.kept_chunks)
        self._row = asyncio.Lock()  # held while the row is written: a number that another overtakes is refused
        self._progress = ProgressReporter(subject, requests, courier, self._numbering, pace, self._row)
        self._output = Output(subject, events, courier, self._numbering, batch_s=batch_s)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._crossing: set[concurrent.futures.Future[None]] = set()  # what threads wait for
        self._interrupted = threading.Event()  # set on the loop, read by threads
        self._is_closed = False

    @property
    def seq(self) -> int:
        """The number of the newest frame."""
        return self._numbering.seq

    @property
    def newest(self) -> tuple[Progress, int] | None:
        """The newest progress that was sent, and its number; the row has it later."""
        return self._progress.newest

    @property
    def stored(self) -> int:
        """How many chunks are in the log, those of earlier attempts that stand included."""
        return self._output.stored

    # --- the handler's side ---------------------------------------------------------------------------------

    def progress(self, progress: Progress) -> None:
        if self._is_on_loop():
            self._progress.take(progress)
        else:
            self._loop.call_soon_threadsafe(self._progress.take, progress)

    def emit(self, data: bytes) -> Awaitable[None]:
        self._require_open()
        if not self._is_on_loop():
            return self._cross(lambda: self._put(data))
        self._output.put(data)
        return DONE if self._output.has_room else Later(self._output.room)

    def save_checkpoint(self, state: bytes) -> Awaitable[None]:
        self._require_open()
        if not self._is_on_loop():
            return self._cross(lambda: self._save_checkpoint(state))
        return self._save_checkpoint(state)

    async def _put(self, data: bytes) -> None:
        self._require_open()
        self._output.put(data)
        await self._output.room()

    async def _save_checkpoint(self, state: bytes) -> None:
        """The log first: what the row says of it must be there."""
        chunks = await self._output.flush()
        async with self._row:
            self._require_open()
            seq = self._numbering.stored = self._numbering.next()
            try:
                row = await persistently(
                    lambda: self._requests.save_checkpoint(self._subject.job, state, seq, chunks=chunks)
                )
            except Fenced as error:
                if not self._is_closed:
                    self._subject.fenced()
                raise asyncio.CancelledError from error
            self._subject.learn(row)

    def _require_open(self) -> None:
        if self._is_closed:
            raise asyncio.CancelledError

    def _is_on_loop(self) -> bool:
        return threading.get_ident() == self._thread

    def _cross(self, work: Callable[[], Coroutine[Any, Any, None]]) -> Awaitable[None]:
        """Does it on the loop, and blocks this thread meanwhile."""
        if self._interrupted.is_set():
            raise asyncio.CancelledError
        crossing = asyncio.run_coroutine_threadsafe(self._named(work), self._loop)
        self._crossing.add(crossing)
        if self._interrupted.is_set():  # before it was among those that are woken
            crossing.cancel()
        try:
            crossing.result()
        except concurrent.futures.CancelledError as error:
            raise asyncio.CancelledError from error
        finally:
            self._crossing.discard(crossing)
        return DONE

    async def _named(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.current_task()
        if task is not None:
            task.set_name(f"for a thread of {self._subject.job.job_id}")
        await work()

    # --- the executor's side --------------------------------------------------------------------------------

    def interrupt(self) -> None:
        """The handler is asked to end: its threads wait no longer."""
        self._interrupted.set()
        for crossing in list(self._crossing):
            crossing.cancel()

    def close(self) -> None:
        """The handler is over: nothing more is taken from it, and no more progress is sent or kept."""
        self._is_closed = True
        self._progress.close()
        self.interrupt()

    async def flush(self) -> int:
        """Returns when all output so far is stored; and how many chunks that makes. CancelledError after `drop`."""
        return await self._output.flush()

    def drop(self) -> None:
        """What is not stored by now never will be."""
        self.close()
        self._output.drop()

    async def ended(self) -> None:
        """Waits for writes that were under way."""
        await self._progress.ended()
        await self._output.ended()


class Later:
    """Begins to wait when it is awaited. No coroutine: whoever does not await it is not warned."""

    __slots__ = ("_wait",)

    def __init__(self, wait: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._wait = wait

    def __await__(self) -> Generator[Any, Any, None]:
        return self._wait().__await__()
