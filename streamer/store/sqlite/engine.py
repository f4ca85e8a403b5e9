"""The two threads of a process, and whoever watches their calls."""

import asyncio
import time
from collections.abc import Awaitable
from functools import partial
from pathlib import Path

from streamer.store.base import Observer, Refused
from streamer.store.sqlite.calls import T, Work, commit_together, run_each
from streamer.store.sqlite.purge import Purge
from streamer.store.sqlite.thread import ConnectionThread


class Engine:
    """Group commit and strong reads on one file, until `close`.

    `busy_timeout_s` bounds how long a batch waits for a lock that another process holds.
    """

    def __init__(self, path: Path, *, busy_timeout_s: float, purge: Purge, observer: Observer | None) -> None:
        self._purge = purge
        self._observer = observer
        commit = partial(commit_together, busy_timeout_s=busy_timeout_s)
        self._writer = ConnectionThread("streamer-store-writer", path, busy_timeout_s, commit)
        self._reader = ConnectionThread("streamer-store-reader", path, busy_timeout_s, run_each)

    async def write(self, verb: str, work: Work[T]) -> T:
        """Runs `work` in a transaction that it shares with others; returns after the commit.

        What it raises undoes what it did, and nothing else. It is run even if the caller is cancelled.
        """
        result = await self.observed(verb, self._writer.call(work))
        if self._purge.begins():
            self._writer.call(self._purge).add_done_callback(self._purged)
        return result

    async def read(self, verb: str, work: Work[T]) -> T:
        """Runs `work`, which sees every write that returned before this call, in whichever process."""
        return await self.observed(verb, self._reader.call(work))

    async def observed(self, verb: str, call: Awaitable[T]) -> T:
        """Tells the observer of this call. A guard that did not hold is an answer, not an error."""
        if self._observer is None:
            return await call
        began = time.perf_counter()
        error: BaseException | None = None
        try:
            return await call
        except Refused:
            raise
        except BaseException as raised:
            error = raised
            raise
        finally:
            self._observer(verb, time.perf_counter() - began, error)
            error = None  # its traceback holds this frame

    async def close(self) -> None:
        """Answers what was called so far, then ends both threads. Again: nothing happens."""
        self._writer.end()
        self._reader.end()  # both, before anything can cancel us
        await self._writer.close()
        await self._reader.close()

    def _purged(self, purge: asyncio.Future[bool]) -> None:
        """A failed purge hurts nobody: the observer hears of it, and the next one tries again."""
        error = purge.exception()
        self._purge.ended(more=error is None and purge.result())
        if error is not None and self._observer is not None:
            self._observer("purge", 0.0, error)
