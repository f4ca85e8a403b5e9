"""One thread that owns one connection."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final

from streamer.errors import ConfigurationError
from streamer.store.sqlite import file
from streamer.store.sqlite.calls import Call, T, Work, unavailable

MAX_BATCH: Final = 256
"""Calls in one transaction: bounds how long the first of them waits for the last."""
MAX_WAITING: Final = 20_000
"""Calls in the queue; at a thousand and more per second, those behind would have been given up before their turn."""

Batch = Callable[[sqlite3.Connection, Sequence[Call[Any]]], None]


class ConnectionThread:
    """Runs calls in batches, in the order in which they came; blocks, at no cost, while there are none.

    * `_calls`: filled by the loop, emptied by the thread; None ends it.
    * `_ended`: None while it serves; why no more calls are taken; written and read on the loop.
    * `_connection`, `_identity`: the thread's own; None until the first call, and after a failure.
    """

    def __init__(self, name: str, path: Path, busy_timeout_s: float, batch: Batch) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._batch = batch
        self._loop = asyncio.get_running_loop()
        self._calls: SimpleQueue[Call[Any] | None] = SimpleQueue()
        self._ended: BaseException | None = None
        self._stopped: asyncio.Future[None] = self._loop.create_future()
        self._connection: sqlite3.Connection | None = None
        self._identity: tuple[int, int] | None = None
        # A daemon, so that a process whose loop died without closing the store still ends.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    # --- on the loop ----------------------------------------------------------------------------------------

    def call(self, work: Work[T]) -> asyncio.Future[T]:
        """The result of `work`, run in the thread; it is run even if the caller is cancelled.

        Fails with StoreUnavailable, or with what the work raises.
        """
        call = Call(work, self._loop.create_future())
        if self._ended is not None:
            self._fail([call], self._ended)
        elif self._calls.qsize() >= MAX_WAITING:
            self._fail([call], OverflowError(f"{MAX_WAITING} calls wait"))
        else:
            self._calls.put(call)
        return call.future

    def end(self) -> None:
        """Takes no more calls; the thread answers those made so far, then ends."""
        if self._ended is None:
            self._ended = RuntimeError("the store was closed")
            self._calls.put(None)

    async def close(self) -> None:
        """Ends the thread and waits for it."""
        self.end()
        await asyncio.shield(self._stopped)
        self._thread.join()  # its last instructions: `_stopped` is the last thing that it says

    def _settle(self, calls: Sequence[Call[Any]]) -> None:
        for call in calls:
            call.settle()

    def _bury(self, error: BaseException, unanswered: Sequence[Call[Any]]) -> None:
        """The thread died of a fault of ours. Everybody who waits is told, and so is the loop's exception handler."""
        self._ended = error
        self._fail([*unanswered, *self._waiting()], error)
        self._loop.call_exception_handler({"message": f"{self._thread.name} died", "exception": error})

    def _fail(self, calls: Sequence[Call[Any]], error: BaseException) -> None:
        for call in calls:
            call.fail(unavailable(error))
        self._settle(calls)

    def _waiting(self) -> list[Call[Any]]:
        return list(iter(self._next_or_none, None))

    def _next_or_none(self) -> Call[Any] | None:
        with suppress(Empty):
            return self._calls.get_nowait()
        return None

    def _tell(self, callback: Callable[..., None], *args: Any) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(callback, *args)

    # --- in the thread --------------------------------------------------------------------------------------

    def _run(self) -> None:
        batch: list[Call[Any]] = []
        try:
            while self._take(batch):
                self._serve(batch)
                batch = []
        except BaseException as error:  # noqa: BLE001  # the thread's own edge: `_bury` makes it loud
            self._tell(self._bury, error, batch)
        finally:
            self._disconnect()
            self._tell(self._stopped.set_result, None)

    def _take(self, batch: list[Call[Any]]) -> bool:
        """Waits for a call, and takes all that are there with it. False: there are none any more."""
        call = self._calls.get()
        while call is not None:
            batch.append(call)
            if len(batch) == MAX_BATCH:
                return True
            try:
                call = self._calls.get_nowait()
            except Empty:
                return True
        if batch:
            self._calls.put(None)  # to be met again, alone: nothing is put behind it
        return bool(batch)

    def _serve(self, batch: Sequence[Call[Any]]) -> None:
        try:
            self._batch(self._connected(), batch)
        except (sqlite3.Error, OSError, ConfigurationError) as error:
            self._disconnect()
            for call in batch:
                call.fail(error)
        self._tell(self._settle, batch)

    def _connected(self) -> sqlite3.Connection:
        """The connection, made anew where the file is not the one that was opened: writes to a deleted file
        would be acknowledged and gone."""
        identity = file.identity(self._path)
        if self._connection is None or identity != self._identity:
            self._disconnect()
            self._connection = file.connect(self._path, self._busy_timeout_s)
            self._identity = identity
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            file.disconnect(self._connection)
            self._connection = None
