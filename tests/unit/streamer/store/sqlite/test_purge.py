import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from streamer.store.base import Connection
from streamer.store.sqlite import SqliteStore, file, purge
from streamer.store.sqlite.purge import CONNECTION_LIFE_MS, Purge, delete_expired
from streamer.store.sqlite.requests import insert, put_parts
from tests.support.jobs import DAY_MS, NOON_MS, Clock, row
from tests.support.until import until
from tests.unit.streamer.store.sqlite.conftest import Sql


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(file.connect(path, 1.0)) as connection:
        yield connection


def ids(connection: sqlite3.Connection, table: str) -> list[str]:
    return [key for (key,) in connection.execute(f"SELECT job_id FROM {table} ORDER BY job_id")]


def test_what_has_expired_goes_and_the_rest_stays(connection: sqlite3.Connection) -> None:
    for job_id, expires_ms in (("a", NOON_MS), ("b", NOON_MS + 1), ("c", None)):
        insert(connection, row(job_id=job_id, expires_ms=expires_ms), NOON_MS)
    put_parts(connection, [("a", "p#1", 0, b"x", NOON_MS), ("b", "p#1", 0, b"x", NOON_MS + 1)])
    assert not delete_expired(connection, NOON_MS)
    assert (ids(connection, "requests"), ids(connection, "side_items")) == (["b", "c"], ["b"])


def test_watchers_output_and_inbox_entries_expire_too(connection: sqlite3.Connection) -> None:
    for name, expires_ms in (("a", NOON_MS), ("b", NOON_MS + 1)):
        connection.execute("INSERT INTO subscriptions VALUES (?, 'c', 't', 'u', ?)", (name, expires_ms))
        connection.execute("INSERT INTO events VALUES (?, 'c#1', x'00', ?)", (name, expires_ms))
    assert not delete_expired(connection, NOON_MS)
    assert ids(connection, "subscriptions") == ["b"]
    assert connection.execute("SELECT partition FROM events").fetchall() == [("b",)]


def test_only_so_many_events_go_at_once(connection: sqlite3.Connection) -> None:
    many = [("job", f"c#{number}", b"x", NOON_MS) for number in range(purge.EVENTS + 1)]
    connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?)", many)
    assert delete_expired(connection, NOON_MS)
    assert connection.execute("SELECT count(*) FROM events").fetchall() == [(1,)]
    assert not delete_expired(connection, NOON_MS)


def test_only_so_many_go_at_once(connection: sqlite3.Connection) -> None:
    put_parts(connection, [("a", "p#1", part, b"x", NOON_MS) for part in range(purge.PARTS + 1)])
    assert delete_expired(connection, NOON_MS)
    assert len(ids(connection, "side_items")) == 1
    assert not delete_expired(connection, NOON_MS)


async def test_a_write_takes_the_expired_with_it(path: Path, clock: Clock, sql: Sql) -> None:
    store = SqliteStore(path, clock=clock, purge_pause_s=0)
    await store.rows.insert(row(expires_ms=NOON_MS + 1), NOON_MS)
    await store.connections.save(
        Connection(
            connection_id="c",
            node_id="n",
            tenant="t",
            user="u",
            connected_ms=0,
            last_ping_ms=NOON_MS - CONNECTION_LIFE_MS + 1,
        )
    )
    assert sql("SELECT (SELECT count(*) FROM requests), (SELECT count(*) FROM connections)") == [(1, 1)]
    clock.advance(1)
    await store.nodes.beat("app", "n", {})
    await store.close()
    assert sql("SELECT (SELECT count(*) FROM requests), (SELECT count(*) FROM connections)") == [(0, 0)]


async def test_not_again_within_the_pause(path: Path, clock: Clock, sql: Sql) -> None:
    store = SqliteStore(path, clock=clock, purge_pause_s=1000)
    await store.rows.insert(row(expires_ms=NOON_MS + 1), NOON_MS)
    await store.nodes.beat("app", "n", {})  # goes behind the purge that the first write began
    clock.advance(DAY_MS)
    for _ in range(3):
        await store.nodes.beat("app", "n", {})
    await store.close()
    assert sql("SELECT count(*) FROM requests") == [(1,)]


async def test_a_failed_purge_is_observed_and_tried_again(path: Path, clock: Clock, sql: Sql) -> None:
    sql("DROP TABLE side_items")
    failed: list[str] = []
    store = SqliteStore(
        path, clock=clock, purge_pause_s=0, observer=lambda verb, _, error: failed.append(verb) if error else None
    )
    await store.nodes.beat("app", "n", {})
    await until(lambda: failed == ["purge"])
    await store.nodes.beat("app", "n", {})
    await until(lambda: failed == ["purge", "purge"])
    await store.close()


def test_the_next_one_comes_sooner_where_that_was_not_all(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    schedule = Purge(lambda: NOON_MS)
    assert [schedule.begins(), schedule.begins()] == [True, False]  # one at a time
    schedule.ended(more=True)
    assert not schedule.begins()
    now[0] += purge.FULL_PAUSE_S
    assert schedule.begins()
    schedule.ended(more=False)
    now[0] += purge.FULL_PAUSE_S
    assert not schedule.begins()
    now[0] += purge.PAUSE_S
    assert schedule.begins()
