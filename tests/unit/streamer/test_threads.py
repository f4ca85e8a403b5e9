"""Threads: bounded, and a slot is free only when its thread has ended."""

import asyncio
import contextvars
import threading
from collections.abc import Iterator

import pytest
from structlog.testing import capture_logs

from streamer.errors import ServiceUnavailable
from streamer.threads import Threads
from tests.support.until import until


@pytest.fixture
def threads() -> Iterator[Threads]:
    made = Threads(1)
    yield made
    made.close()


class Gate:
    """A call that tells when it runs, and runs until it is opened."""

    def __init__(self, fails: BaseException | None = None) -> None:
        self.entered = threading.Event()
        self.open = threading.Event()
        self._fails = fails

    def __call__(self) -> str:
        self.entered.set()
        assert self.open.wait(30)
        if self._fails is not None:
            raise self._fails
        return "done"


async def test_results_and_errors_come_back(threads: Threads) -> None:
    assert await threads.run(lambda: 1 + 1) == 2
    with pytest.raises(ZeroDivisionError):
        await threads.run(lambda: 1 // 0)
    assert threads.running == 0


async def test_context_variables_go_along(threads: Threads) -> None:
    variable = contextvars.ContextVar("variable", default="default")
    variable.set("mine")
    assert await threads.run(variable.get) == "mine"


async def test_a_full_pool_refuses_at_once(threads: Threads) -> None:
    gate = Gate()
    first = asyncio.create_task(threads.run(gate), name="first")
    await until(gate.entered.is_set)
    with pytest.raises(ServiceUnavailable):
        await threads.run(lambda: 1)
    gate.open.set()
    assert await first == "done"
    assert await threads.run(lambda: 1) == 1


async def test_a_cancelled_call_keeps_its_slot_until_its_thread_ends(threads: Threads) -> None:
    gate = Gate(fails=ValueError("too late"))
    task = asyncio.create_task(threads.run(gate), name="call")
    await until(gate.entered.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert threads.running == 1
    with pytest.raises(ServiceUnavailable):
        await threads.run(lambda: 1)
    with capture_logs() as lines:
        gate.open.set()
        await until(lambda: threads.running == 0 and lines)
    assert [line["event"] for line in lines] == ["abandoned_handler_failed"]
    assert await threads.run(lambda: 1) == 1


async def test_a_cancelled_call_that_ends_well_says_nothing(threads: Threads) -> None:
    gate = Gate()
    task = asyncio.create_task(threads.run(gate), name="call")
    await until(gate.entered.is_set)
    task.cancel()
    with capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await task
    gate.open.set()
    await until(lambda: threads.running == 0)
    assert lines == []


async def test_a_call_cancelled_before_its_thread_began_never_runs(threads: Threads) -> None:
    """The pool's only thread is still ending an earlier call, outside of our count."""
    gate = Gate()
    occupied = threads._pool.submit(gate)
    task = asyncio.create_task(threads.run(lambda: pytest.fail("ran")), name="call")
    await until(lambda: threads.running == 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert threads.running == 0
    gate.open.set()
    await asyncio.wrap_future(occupied)


@pytest.mark.parametrize("error", [StopIteration(), SystemExit(), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_what_asyncio_would_take_for_its_own_becomes_a_plain_error(
    threads: Threads, error: BaseException
) -> None:
    gate = Gate(fails=error)
    gate.open.set()
    with pytest.raises(RuntimeError, match=type(error).__name__):
        await threads.run(gate)


async def test_closed_threads_take_nothing_and_tell_who_is_left(threads: Threads) -> None:
    gate = Gate()
    task = asyncio.create_task(threads.run(gate), name="call")
    await until(gate.entered.is_set)
    assert threads.close() == 1
    with pytest.raises(ServiceUnavailable):
        await threads.run(lambda: 1)
    gate.open.set()
    assert await task == "done"
    await until(lambda: threads.close() == 0)


async def test_no_thread_to_be_had_gives_the_slot_back(threads: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threads._pool, "submit", refuse)
        with pytest.raises(ServiceUnavailable, match="No thread can be started"):
            await threads.run(lambda: 1)
    assert await threads.run(lambda: 1) == 1


async def test_a_join_returns_when_every_thread_has_ended(threads: Threads) -> None:
    gate = Gate()
    run = asyncio.create_task(threads.run(gate))
    await until(gate.entered.is_set)
    joined = asyncio.create_task(asyncio.to_thread(threads.join))
    gate.open.set()
    await joined
    assert threads.running == 0
    assert await run == "done"
    with pytest.raises(ServiceUnavailable):
        await threads.run(gate)
