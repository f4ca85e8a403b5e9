import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from streamer.errors import ConfigurationError, StoreUnavailable
from streamer.jobs import lifecycle
from streamer.store.base import Refused
from streamer.store.sqlite import SqliteStore
from tests.support.jobs import Clock, submission
from tests.support.until import until
from tests.unit.streamer.store.sqlite.conftest import Sql


async def test_before_create_nothing_is_there_and_everything_says_so(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "a.db"
    store = SqliteStore(path)
    with pytest.raises(StoreUnavailable, match=r"a\.db does not answer: .*No such file"):
        await store.check()
    with pytest.raises(StoreUnavailable, match="could not be stored"):
        await store.requests.enqueue(submission())
    assert not path.parent.exists()
    await store.create()
    await store.create()
    await store.check()
    assert (await store.requests.enqueue(submission())).created
    await store.close()


async def test_missing_tables_are_told(path: Path, sql: Sql) -> None:
    store = SqliteStore(path)
    sql("DROP TABLE nodes")
    with pytest.raises(StoreUnavailable, match=r"lacks tables; `streamer tables create` makes them\.$"):
        await store.check()
    with pytest.raises(StoreUnavailable) as failed:
        await store.nodes.list("app")
    assert isinstance(failed.value.__cause__, sqlite3.OperationalError)
    await store.close()


async def test_a_newer_file_is_refused_by_every_verb(path: Path, sql: Sql) -> None:
    sql("PRAGMA user_version = 99")
    store = SqliteStore(path)
    for call in (store.check, store.create, lambda: store.nodes.beat("app", "n", {}), lambda: store.nodes.list("app")):
        with pytest.raises(ConfigurationError, match="made by a newer Streamer"):
            await call()
    await store.close()


async def test_an_empty_file_is_an_older_one(tmp_path: Path) -> None:
    (tmp_path / "a.db").touch()
    store = SqliteStore(tmp_path / "a.db")
    with pytest.raises(StoreUnavailable, match="lacks tables"):
        await store.check()
    await store.create()
    await store.check()
    await store.close()


async def test_where_no_file_can_be_made_the_store_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    store = SqliteStore(tmp_path / "a" / "b.db")
    with pytest.raises(StoreUnavailable, match=r"b\.db cannot be made: .*\.$") as failed:
        await store.create()
    assert isinstance(failed.value.__cause__, OSError)
    await store.close()


async def test_a_write_lock_held_elsewhere_stops_writes_for_the_busy_timeout_and_never_reads(path: Path) -> None:
    store = SqliteStore(path, busy_timeout_s=0.05)
    job = (await store.requests.enqueue(submission())).job
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable) as failed:
            await store.requests.claim(job.job_id, "default", "session-a")
        assert await store.requests.get(job.job_id) == job
        await store.check()
        holder.execute("ROLLBACK")
    assert isinstance(failed.value.__cause__, sqlite3.OperationalError)
    assert await store.requests.claim(job.job_id, "default", "session-a") is not None
    await store.close()


async def test_the_observer_hears_every_verb_and_a_refusal_is_no_error(path: Path, clock: Clock) -> None:
    heard: list[tuple[str, type[BaseException] | None]] = []

    def observe(verb: str, seconds: float, error: BaseException | None) -> None:
        assert seconds >= 0
        heard.append((verb, type(error) if error else None))

    store = SqliteStore(path, clock=clock, observer=observe, busy_timeout_s=0.05)
    await store.create()
    await store.check()
    job = (await store.requests.enqueue(submission())).job
    await store.requests.claim(job.job_id, "default", "session-a")
    with pytest.raises(Refused):
        await store.rows.update_status(job.job_id, lifecycle.attach("other", "ann", "c"))
    await store.nodes.beat("app", "n", {})
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            await store.nodes.remove("app", "n")
        holder.execute("ROLLBACK")
    await store.close()
    assert heard == [
        ("create", None),
        ("check", None),
        ("list_nodes", None),  # how far this queue has come, which nobody knows
        ("beat", None),
        ("insert", None),
        ("claim", None),
        ("attach", None),
        ("beat", None),
        ("remove_node", StoreUnavailable),
    ]


async def test_many_writers_share_few_commits_and_all_are_stored(path: Path, sql: Sql) -> None:
    store = SqliteStore(path)
    made = await asyncio.gather(*(store.requests.enqueue(submission(client_id=f"r{n}")) for n in range(300)))
    assert all(enqueued.created for enqueued in made)
    await store.close()
    assert sql("SELECT count(*) FROM requests") == [(300,)]


async def test_the_same_request_many_times_at_once_is_created_once(path: Path) -> None:
    stores = [SqliteStore(path), SqliteStore(path)]
    made = await asyncio.gather(*(store.requests.enqueue(submission()) for store in stores * 25))
    assert sum(enqueued.created for enqueued in made) == 1
    for store in stores:
        await store.close()


async def test_a_cancelled_close_ends_both_threads_all_the_same(path: Path) -> None:
    store = SqliteStore(path)
    closing_ = asyncio.create_task(store.close(), name="close")
    await asyncio.sleep(0)
    closing_.cancel()
    await asyncio.wait([closing_])
    await until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("streamer-store")])


async def test_closing_leaves_no_thread_and_one_file(path: Path) -> None:
    store = SqliteStore(path)
    await store.requests.enqueue(submission())
    await store.close()
    await store.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("streamer-store")]
    assert [left.name for left in path.parent.iterdir()] == [path.name]
    with pytest.raises(StoreUnavailable):
        await store.nodes.beat("app", "n", {})


async def test_two_threads_that_close_at_the_same_moment_leave_one_file(path: Path) -> None:
    """One time in twelve each took the other's connection for open, and the log stayed beside the file."""
    for _ in range(200):
        store = SqliteStore(path)
        await asyncio.gather(store.nodes.beat("app", "n", {}), store.nodes.list("app"))
        await store.close()
        assert [left.name for left in path.parent.iterdir()] == [path.name]
