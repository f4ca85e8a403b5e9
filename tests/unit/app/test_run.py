"""The output of an inline run, on its way to readers of any speed."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import pytest

from app.outbox import MAX_FRAMES, Message
from app.run import Output, Surroundings
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
