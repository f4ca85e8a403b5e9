"""Calls to the database, and how a batch of them is run on a connection."""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from streamer.errors import StoreUnavailable
from streamer.store.sqlite import file

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class Call(Generic[T]):
    """Work for a connection's thread, and the future of whoever waits for it.

    `result` and `error` are written by that thread and read by the loop once the batch is over.
    """

    __slots__ = ("error", "future", "result", "work")

    def __init__(self, work: Work[T], future: asyncio.Future[T]) -> None:
        self.work = work
        self.future = future
        self.result: T | None = None
        self.error: Exception | None = None

    def run(self, connection: sqlite3.Connection) -> None:
        """Raises what the work raises, after noting it."""
        try:
            self.result = self.work(connection)
        except Exception as error:
            self.fail(error)
            raise

    def fail(self, error: Exception) -> None:
        self.result = None
        self.error = unavailable(error) if isinstance(error, sqlite3.Error | OSError) else error

    def settle(self) -> None:
        """Tells the caller, who may have left. On the loop."""
        error, self.error = self.error, None  # its traceback leads back here: a cycle would wait for the collector
        if self.future.done():
            return
        if error is not None:
            self.future.set_exception(error)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]  # a T, as the work returned it


def unavailable(error: BaseException) -> StoreUnavailable:
    """Ours for theirs: a client may see its message, the log has the cause."""
    ours = StoreUnavailable()
    ours.__cause__ = error
    return ours


def commit_together(connection: sqlite3.Connection, calls: Sequence[Call[Any]], busy_timeout_s: float = 0.0) -> None:
    """All calls in one transaction. One that raises is undone alone; a failing COMMIT fails all of them.

    Raises sqlite3.Error where nothing of the batch was stored.
    """
    file.begin(connection, busy_timeout_s)
    for call in calls:
        connection.execute("SAVEPOINT one")
        try:
            call.run(connection)
        except Exception:  # noqa: BLE001  # whatever it is, its caller gets it
            _undo(connection, call)
        connection.execute("RELEASE one")
    connection.execute("COMMIT")


def _undo(connection: sqlite3.Connection, call: Call[Any]) -> None:
    if not connection.in_transaction:  # a full disk or a failed read ends the whole transaction
        raise sqlite3.OperationalError("the transaction was rolled back") from call.error
    connection.execute("ROLLBACK TO one")


def run_each(connection: sqlite3.Connection, calls: Sequence[Call[Any]]) -> None:
    """Reads: each sees everything that was committed, by any process, before it began."""
    for call in calls:
        try:
            call.run(connection)
        except Exception:  # noqa: BLE001, S112  # noted in the call; its caller gets it
            continue
