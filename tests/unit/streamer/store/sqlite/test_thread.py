import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import StoreUnavailable
from streamer.store.sqlite import file, thread
from streamer.store.sqlite.calls import Call, commit_together
from streamer.store.sqlite.thread import ConnectionThread
from tests.unit.streamer.store.sqlite.conftest import Sql

COUNT = "SELECT count(*) FROM nodes"


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[ConnectionThread]:
    writer = ConnectionThread("writer-under-test", path, 0.05, commit_together)
    yield writer
    await writer.close()


def add(connection: sqlite3.Connection) -> int:
    connection.execute("INSERT INTO nodes SELECT 'app', count(*), 1, '{}' FROM nodes")
    return int(connection.execute(COUNT).fetchone()[0])


def remove(path: Path) -> None:
    """Leaves its log behind, as a hasty `rm` does."""
    path.unlink()


@contextmanager
def held(writer: ConnectionThread) -> Iterator[None]:
    """The thread is busy with one call until the block ends, so that what is called meanwhile is one batch."""
    begun, go = threading.Event(), threading.Event()

    def hold(_: sqlite3.Connection) -> None:
        begun.set()
        go.wait(20)

    holding = writer.call(hold)
    assert begun.wait(20)
    yield
    go.set()
    holding.add_done_callback(lambda done: done.result())


def is_running() -> bool:
    return any(other.name == "writer-under-test" for other in threading.enumerate())


async def test_calls_run_in_their_order_off_the_loop(writer: ConnectionThread) -> None:
    counts = await asyncio.gather(*(writer.call(add) for _ in range(300)))
    assert counts == list(range(1, 301))
    assert await writer.call(lambda _: threading.current_thread().name) == "writer-under-test"


async def test_what_waits_goes_together(writer: ConnectionThread, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counted(connection: sqlite3.Connection, calls: Sequence[Call[Any]]) -> None:
        sizes.append(len(calls))
        commit_together(connection, calls)

    monkeypatch.setattr(writer, "_batch", counted)
    monkeypatch.setattr(thread, "MAX_BATCH", 10)
    with held(writer):
        waiting = [writer.call(add) for _ in range(25)]
    await asyncio.gather(*waiting)
    assert sizes == [1, 10, 10, 5]


async def test_a_result_is_given_only_after_the_commit(writer: ConnectionThread, sql: Sql) -> None:
    seen: list[int] = []

    def look(connection: sqlite3.Connection) -> None:
        add(connection)
        seen.append(sql(COUNT)[0][0])

    done = writer.call(look)
    done.add_done_callback(lambda _: seen.append(sql(COUNT)[0][0]))
    await done
    assert seen == [0, 1]


async def test_a_cancelled_caller_breaks_nothing(writer: ConnectionThread, sql: Sql) -> None:
    with held(writer):
        first, left, last = (writer.call(add) for _ in range(3))
        left.cancel()
    assert [await first, await last] == [1, 3]
    assert left.cancelled()
    assert sql(COUNT) == [(3,)]


async def test_a_file_that_somebody_else_locks_fails_the_batch_and_not_the_thread(
    writer: ConnectionThread, path: Path
) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        outcomes = await asyncio.gather(writer.call(add), writer.call(add), return_exceptions=True)
        holder.execute("ROLLBACK")
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable, StoreUnavailable]
    assert isinstance(outcomes[0], StoreUnavailable)
    assert "locked" in str(outcomes[0].__cause__)
    assert await writer.call(add) == 1


async def test_a_deleted_file_takes_no_more_writes(writer: ConnectionThread, path: Path) -> None:
    assert await writer.call(add) == 1
    remove(path)
    with pytest.raises(StoreUnavailable) as failed:
        await writer.call(add)
    assert isinstance(failed.value.__cause__, FileNotFoundError)


async def test_a_file_made_again_is_opened(writer: ConnectionThread, path: Path) -> None:
    assert await writer.call(add) == 1
    remove(path)
    file.create(path, 5.0)
    assert await writer.call(add) == 1


async def test_more_than_may_wait_are_refused_at_once(
    writer: ConnectionThread, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thread, "MAX_WAITING", 1)
    with held(writer):
        waits = writer.call(add)
        refused = writer.call(add)
    with pytest.raises(StoreUnavailable):
        await refused
    assert await waits == 1


async def test_closing_answers_what_waits_and_ends_the_thread(writer: ConnectionThread) -> None:
    with held(writer):
        waiting = [writer.call(add) for _ in range(3)]
        closing_ = asyncio.create_task(writer.close(), name="close")
        await asyncio.sleep(0)
        late = writer.call(add)
    await closing_
    assert [call.result() for call in waiting] == [1, 2, 3]
    with pytest.raises(StoreUnavailable):
        await late
    assert not is_running()
    await writer.close()


async def test_closing_may_be_cancelled_and_tried_again(writer: ConnectionThread) -> None:
    with held(writer):
        first = asyncio.create_task(writer.close(), name="close")
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        assert first.cancelled()
    await writer.close()
    assert not is_running()


async def test_a_thread_that_dies_is_loud_and_leaves_nobody_waiting(writer: ConnectionThread) -> None:
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    def die(_: sqlite3.Connection) -> None:
        raise SystemExit("a fault of ours")

    with held(writer):
        killing, behind = writer.call(die), writer.call(add)
    for call in (killing, behind, writer.call(add)):
        with pytest.raises(StoreUnavailable) as failed:
            await call
        assert isinstance(failed.value.__cause__, SystemExit)
    assert [context["message"] for context in told] == ["writer-under-test died"]
    await writer.close()
    assert not is_running()


def test_a_loop_that_ends_without_closing_leaves_no_error(path: Path, sql: Sql) -> None:
    gone = threading.Event()

    async def leave() -> ConnectionThread:
        def slow(connection: sqlite3.Connection) -> None:
            gone.wait(20)
            add(connection)

        writer = ConnectionThread("writer-under-test", path, 0.05, commit_together)
        writer.call(slow).cancel()
        return writer

    writer = asyncio.run(leave())
    gone.set()
    writer._calls.put(None)
    writer._thread.join()
    assert sql(COUNT) == [(1,)]
