import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from streamer.errors import StoreUnavailable
from streamer.store.sqlite.calls import Call, Work, commit_together, run_each


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE notes (text TEXT UNIQUE NOT NULL)")
        yield connection


def note(text: str | None) -> Work[str | None]:
    def work(connection: sqlite3.Connection) -> str | None:
        connection.execute("INSERT INTO notes VALUES (?)", (text,))
        return text

    return work


def note_and_fail(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO notes VALUES ('half')")
    raise ValueError("half done")


def roll_back(connection: sqlite3.Connection) -> None:
    """As SQLite itself does on a full disk."""
    connection.execute("ROLLBACK")
    raise sqlite3.OperationalError("database or disk is full")


def calls(*works: Work[object]) -> list[Call[object]]:
    loop = asyncio.get_running_loop()
    return [Call(work, loop.create_future()) for work in works]


def notes(connection: sqlite3.Connection) -> list[str]:
    return [text for (text,) in connection.execute("SELECT text FROM notes ORDER BY rowid")]


async def test_a_batch_is_one_transaction(connection: sqlite3.Connection) -> None:
    statements: list[str] = []
    connection.set_trace_callback(statements.append)
    commit_together(connection, calls(note("a"), note("b")))
    assert notes(connection) == ["a", "b"]
    assert [statement for statement in statements if statement in ("BEGIN IMMEDIATE", "COMMIT")] == [
        "BEGIN IMMEDIATE",
        "COMMIT",
    ]


async def test_one_that_fails_is_undone_alone(connection: sqlite3.Connection) -> None:
    batch = calls(note("a"), note_and_fail, note("b"), note("a"), note("c"))
    commit_together(connection, batch)
    assert notes(connection) == ["a", "b", "c"]
    assert [type(call.error) for call in batch] == [type(None), ValueError, type(None), StoreUnavailable, type(None)]
    assert isinstance(batch[3].error, StoreUnavailable)
    assert isinstance(batch[3].error.__cause__, sqlite3.IntegrityError)
    assert [call.result for call in batch] == ["a", None, "b", None, "c"]


async def test_where_sqlite_gave_up_the_transaction_nobody_is_told_of_success(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError, match="rolled back"):
        commit_together(connection, calls(note("a"), roll_back, note("b")))
    assert notes(connection) == []


async def test_reads_fail_alone_too(connection: sqlite3.Connection) -> None:
    batch = calls(notes, note_and_fail, notes)
    run_each(connection, batch)
    assert [type(call.error) for call in batch] == [type(None), ValueError, type(None)]


async def test_each_failed_caller_gets_an_error_of_its_own() -> None:
    batch = calls(note("a"), note("b"))
    error = sqlite3.OperationalError("database is locked")
    for call in batch:
        call.fail(error)
        call.settle()
    first, second = [call.future.exception() for call in batch]
    assert isinstance(first, StoreUnavailable)
    assert first is not second
    assert first.__cause__ is error


async def test_a_caller_who_left_is_not_told() -> None:
    (call,) = calls(note("a"))
    call.future.cancel()
    call.settle()
    assert call.future.cancelled()
