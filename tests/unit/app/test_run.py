"""An inline run, and its output on its way to readers of any speed."""

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from app.connection import Connection
from app.meters import Known, Meter
from app.outbox import MAX_FRAMES, Message
from app.run import Output, Run, Surroundings
from streamer.definitions import define
from streamer.jobs.model import Progress
from streamer.telemetry.metrics import Metrics
from tests.support.until import until
from tests.unit.app.parts import Socket, connection

ANSWER = b'{"type":"response"}'


class Slow(Socket):
    """Takes nothing until it reads."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = asyncio.Event()

    async def send(self, message: Message) -> None:
        await self.reads.wait()
        await super().send(message)


class World:
    """One output, and the tasks that pull it."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        loop = asyncio.get_running_loop()
        self.output = Output("r1", Surroundings(loop, 0, 0.0, self.start))

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.tasks.add(asyncio.create_task(work, name=name))


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    await asyncio.gather(*world.tasks)


def told(socket: Socket) -> list[int | None]:
    """The index of each piece; None: the answer."""
    return [frame.get("index") for frame in socket.frames]


async def test_a_burst_is_pulled_by_a_slow_reader_and_held_up_for_nobody_else(world: World) -> None:
    slow, quick = Slow(), Socket()
    askers = [connection(slow, v1=True), connection(quick, v1=True)]
    for number in range(3 * MAX_FRAMES):
        world.output.add(b"%d" % number, askers)
    for asker in askers:
        world.output.answer(asker, ANSWER)
    assert told(quick) == [*range(3 * MAX_FRAMES), None]
    slow.reads.set()
    await until(lambda: told(slow) == [*range(3 * MAX_FRAMES), None])


async def test_a_slow_reader_that_has_caught_up_is_told_at_once_again(world: World) -> None:
    slow = Slow()
    asker = connection(slow, v1=True)
    for number in (b"0", b"1"):
        world.output.add(number, [asker])
    slow.reads.set()
    await until(lambda: told(slow) == [0, 1])
    await asyncio.gather(*world.tasks)
    world.output.add(b"2", [asker])
    assert told(slow) == [0, 1, 2]


async def test_a_reader_that_is_gone_holds_up_nothing(world: World) -> None:
    asker = connection(Slow(), v1=True)
    for number in (b"0", b"1"):
        world.output.add(number, [asker])
    world.output.answer(asker, ANSWER)
    await asyncio.sleep(0)  # the tasks begin
    asker.outbox.abandon()
    await asyncio.gather(*world.tasks)
    assert asker.outbox.writer is None


async def test_whoever_asks_twice_gets_pieces_once_and_answers_twice(world: World) -> None:
    slow = Slow()
    asker = connection(slow, v1=True)
    for number in (b"0", b"1"):
        world.output.add(number, [asker, asker])
    for _ in range(2):
        world.output.answer(asker, ANSWER)
    slow.reads.set()
    await until(lambda: told(slow) == [0, 1, None, None])


# --- a run --------------------------------------------------------------------------------------------------


class Clock:
    """In the place of `time`, for a run; its timers go by the loop's."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 0.0


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("app.run.time", clock)
    return clock


def run_for(*askers: Connection, live_s: float = 0.0) -> Run:
    async def handler() -> None: ...

    known = Known(define("work", handler, module=__name__), Meter(Metrics(), "work"), 5.0)
    around = Surroundings(asyncio.get_running_loop(), threading.get_ident(), live_s, lambda *_: None)
    run = Run(known, "r1", None, "", askers[0], around, 0.0, 30.0)
    for asker in askers[1:]:
        run.join(asker)
    return run


def percentages(socket: Socket) -> list[float]:
    return [frame["percentage"] for frame in socket.frames if frame["type"] == "progress"]


async def test_after_its_answer_a_run_says_nothing_more() -> None:
    socket = Socket()
    run = run_for(connection(socket, v1=True))
    run.end(ANSWER)
    run.progress(Progress(50.0))
    with pytest.raises(asyncio.CancelledError):
        run.emit(b"1")
    assert [frame["type"] for frame in socket.frames] == ["response"]


async def test_what_a_thread_said_just_before_the_answer_does_not_come_after_it() -> None:
    """It is on its way to the loop when the run ends."""
    socket = Socket()
    run = run_for(connection(socket, v1=True))

    def say(data: bytes, percentage: float) -> None:
        run.emit(data)
        run.progress(Progress(percentage))

    await asyncio.to_thread(say, b"0", 10.0)
    await until(lambda: len(socket.frames) == 2)
    thread = threading.Thread(target=say, args=(b"1", 50.0))
    thread.start()
    thread.join()
    run.end(ANSWER)
    await asyncio.sleep(0)
    assert [frame["type"] for frame in socket.frames] == ["chunk", "progress", "response"]


async def test_progress_that_waited_for_its_turn_is_said_once(clock: Clock) -> None:
    socket, loop, faults = Socket(), asyncio.get_running_loop(), list[Any]()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    run = run_for(connection(socket), live_s=0.05)
    run.progress(Progress(10.0))
    run.progress(Progress(20.0))
    timer = run._timer
    assert timer is not None
    clock.now += 1.0  # its turn has come, and the loop is late
    run.progress(Progress(30.0))
    await until(lambda: loop.time() > timer.when() + 0.01)
    assert percentages(socket) == [10.0, 30.0]
    assert not faults


async def test_the_newest_progress_is_said_when_its_turn_comes(clock: Clock) -> None:
    socket = Socket()
    run = run_for(connection(socket), live_s=0.01)
    for percentage in (10.0, 20.0, 30.0):
        run.progress(Progress(percentage))
    assert percentages(socket) == [10.0]
    await until(lambda: percentages(socket) == [10.0, 30.0])
    assert clock.now == 100.0


async def test_a_run_is_stopped_once_and_only_while_it_waits() -> None:
    run = run_for(connection(Socket()))
    run.stop("leaving")  # there is nothing to be stopped as yet
    run.task = waiting = asyncio.create_task(_waits(), name="handler")
    run.stop("timeout")
    run.stop("cancel")
    assert (run.stopped, waiting.cancelling()) == ("timeout", 1)
    await asyncio.wait([waiting])


async def _waits() -> None:
    await asyncio.Event().wait()


async def test_who_joins_gets_the_output_from_its_beginning_and_progress_once() -> None:
    early, late = Socket(), Socket()
    first, second = connection(early, v1=True), connection(late, v1=True)
    run = run_for(first)
    run.emit(b"0")
    for asker in (second, second):
        run.join(asker)
    run.progress(Progress(10.0))
    run.end(ANSWER)
    assert [frame["type"] for frame in late.frames] == ["chunk", "progress", "response", "response"]
    assert [frame["type"] for frame in early.frames] == ["chunk", "progress", "response"]
