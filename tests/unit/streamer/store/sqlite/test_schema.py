import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from streamer.errors import ConfigurationError
from streamer.jobs.model import Status
from streamer.store.sqlite import schema, side_items
from streamer.store.sqlite.columns import COLUMNS, encode_job
from streamer.store.sqlite.requests import find
from tests.support.jobs import row_in


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        yield connection


def tables(connection: sqlite3.Connection) -> set[str]:
    return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_an_empty_file_gets_all_tables(connection: sqlite3.Connection) -> None:
    assert not schema.is_complete(connection)
    schema.migrate(connection)
    assert tables(connection) == schema.TABLES
    assert schema.is_complete(connection)


def test_a_second_time_changes_nothing(connection: sqlite3.Connection) -> None:
    schema.migrate(connection)
    connection.execute("INSERT INTO nodes VALUES ('app', 'n', 3, '{}')")
    schema.migrate(connection)
    assert connection.execute("SELECT beat FROM nodes").fetchall() == [(3,)]


def test_an_older_file_goes_through_what_it_has_not_seen_and_keeps_its_rows(connection: sqlite3.Connection) -> None:
    schema.migrate(connection)
    connection.execute("INSERT INTO nodes VALUES ('app', 'n', 3, '{}')")
    newer = (*schema.MIGRATIONS, ("ALTER TABLE nodes ADD COLUMN zone TEXT NOT NULL DEFAULT 'a'",))
    schema.migrate(connection, newer)
    assert connection.execute("SELECT beat, zone FROM nodes").fetchall() == [(3, "a")]
    assert version(connection) == len(newer)


def test_a_file_of_the_first_version_keeps_its_jobs_and_its_processes(connection: sqlite3.Connection) -> None:
    first, *_ = schema.MIGRATIONS
    schema.migrate(connection, [first])
    job = row_in(Status.PROCESSING, routes=frozenset({"c1"}), metadata={"traceparent": "00-1"})
    old = {**dict(zip(COLUMNS, encode_job(job), strict=True)), "checkpoint_chunks": 0}
    del old["kept"], old["deadline_ms"]
    marks = ", ".join("?" * len(old))
    connection.execute(f"INSERT INTO requests ({', '.join(old)}) VALUES ({marks})", tuple(old.values()))
    connection.execute("INSERT INTO nodes VALUES ('app', 'n', 3, '{}')")
    assert not schema.is_complete(connection)
    schema.migrate(connection)
    assert schema.is_complete(connection)
    assert find(connection, job.job_id) == job
    assert connection.execute("SELECT beat FROM nodes").fetchall() == [(3,)]


def test_a_failing_migration_leaves_the_file_as_it_was(connection: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError):
        schema.migrate(connection, (("CREATE TABLE a (x)", "CREATE TABLE a (x)"),))
    assert (tables(connection), version(connection), connection.in_transaction) == (set(), 0, False)


def test_a_newer_file_is_refused_in_a_sentence_and_left_alone(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigurationError, match=r"has version 99, made by a newer Streamer.*STREAMER_STORE\.$"):
        schema.migrate(connection)
    assert (tables(connection), version(connection), connection.in_transaction) == (set(), 99, False)


def test_a_missing_table_is_noticed(connection: sqlite3.Connection) -> None:
    schema.migrate(connection)
    connection.execute("DROP TABLE side_items")
    assert not schema.is_complete(connection)


def test_the_index_alone_answers_what_the_sweep_asks(connection: sqlite3.Connection) -> None:
    schema.migrate(connection)
    plan = connection.execute(
        "EXPLAIN QUERY PLAN SELECT job_id, entry_sort FROM requests WHERE entry_partition = ? AND entry_sort >= ? "
        "AND entry_sort < ? ORDER BY entry_sort, job_id LIMIT ?",
        ("R#default#0", "", "z", 10),
    ).fetchall()
    assert [row[3].split("(")[0] for row in plan] == ["SEARCH requests USING COVERING INDEX requests_by_entry "]


def test_the_key_answers_what_a_reader_of_output_asks(connection: sqlite3.Connection) -> None:
    schema.migrate(connection)
    plan = connection.execute("EXPLAIN QUERY PLAN " + side_items.BETWEEN, ("j", "a", "b", 0, 8)).fetchall()
    assert [row[3] for row in plan] == [
        "SEARCH events USING INDEX sqlite_autoindex_events_1 (partition=? AND sort>? AND sort<?)"
    ]
