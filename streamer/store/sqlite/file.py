"""The file: where it lies, how it is opened, and whether it is still the one that was opened."""

import itertools
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Final, Literal

from streamer.store.sqlite import schema

_PAUSES_S: Final = (0.0002, 0.0005, 0.001, 0.001, 0.001, 0.002, 0.002, 0.005)
"""Between tries for a lock; the last repeats. A commit holds it for about a millisecond."""

_closing: Final = threading.Lock()


def identity(path: Path) -> tuple[int, int]:
    """What tells this file from another one that takes its place. Raises FileNotFoundError."""
    stat = path.stat()
    return stat.st_dev, stat.st_ino


def connect(path: Path, busy_timeout_s: float, mode: Literal["rw", "rwc"] = "rw") -> sqlite3.Connection:
    """A connection without implicit transactions, for the calling thread.

    Raises sqlite3.Error where the file is missing (mode rw), locked or no database, ConfigurationError where it is
    newer than this code.
    """
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    connection = sqlite3.connect(uri, uri=True, timeout=busy_timeout_s, isolation_level=None)
    try:
        into_wal(connection, busy_timeout_s)
        connection.execute("PRAGMA synchronous=FULL")
        schema.refuse_newer(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def disconnect(connection: sqlite3.Connection) -> None:
    """Closes it; the last one of this process also removes the write-ahead log beside the file.

    Two that close at the same moment would each take the other for open, and leave the log to the next process.
    """
    with _closing:
        connection.close()


def into_wal(connection: sqlite3.Connection, busy_timeout_s: float) -> None:
    """Switches the file to write-ahead logging, which it then keeps.

    While two processes switch a new file at the same time, SQLite answers "locked" to one of them without asking
    the busy handler: each waiting for the other's lock would be a deadlock.
    """
    _patiently(connection, "PRAGMA journal_mode=WAL", busy_timeout_s)


def begin(connection: sqlite3.Connection, busy_timeout_s: float) -> None:
    """Begins a transaction that writes, as soon as no other process is in one.

    SQLite's own busy handler sleeps for up to 100 ms between two tries: beside a process that commits all the time
    it would wait for seconds. Raises sqlite3.OperationalError after `busy_timeout_s`.
    """
    connection.execute("PRAGMA busy_timeout=0")
    _patiently(connection, "BEGIN IMMEDIATE", busy_timeout_s)


def _patiently(connection: sqlite3.Connection, statement: str, busy_timeout_s: float) -> None:
    end = time.monotonic() + busy_timeout_s
    pauses = itertools.chain(_PAUSES_S, itertools.repeat(_PAUSES_S[-1]))
    while True:
        try:
            connection.execute(statement).fetchone()
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() >= end:
                raise
            time.sleep(next(pauses))
        else:
            return


def _is_busy(error: sqlite3.Error) -> bool:
    primary = error.sqlite_errorcode & 0xFF  # the rest tells the kinds of busy apart (sqlite.org/rescode.html)
    return primary == sqlite3.SQLITE_BUSY


def create(path: Path, busy_timeout_s: float) -> None:
    """Makes the folder, the file and its tables where they are missing, and migrates an older file."""
    path.absolute().parent.mkdir(parents=True, exist_ok=True)
    with closing(connect(path, busy_timeout_s, "rwc")) as connection:
        schema.migrate(connection)
