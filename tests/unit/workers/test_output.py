"""Output: in order, in batches, and nothing of it lost."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest

from streamer.errors import StoreUnavailable
from streamer.jobs.model import Job, Status
from streamer.store.base import Chunk
from tests.support import jobs
from tests.support.until import until
from workers.numbering import Numbering
from workers.output import BATCH_BYTES, MAX_UNSTORED_BYTES, Output


class World:
    """The attempt, the courier and the event log of one output."""

    def __init__(self) -> None:
        self.job = replace(jobs.row_in(Status.PROCESSING), routes=frozenset({"n1.a"}))
        self.numbering = Numbering(3)
        self.sent: list[tuple[int, int, Any]] = []
        self.tried: list[list[int]] = []
        self.log: list[Chunk] = []
        self.error: Exception | None = None
        self.writing = 0
        self.release = asyncio.Event()
        self.release.set()
        self.made: list[Output] = []

    @property
    def audience(self) -> frozenset[str]:
        return self.job.routes

    def learn(self, row: Job) -> None:
        raise NotImplementedError

    def fenced(self) -> None:
        raise NotImplementedError

    def send(self, job: Job, kind: str, seq: int, frame: bytes, *, to: frozenset[str], chunks: int) -> None:
        said = orjson.loads(frame)
        assert (kind, said["type"], said["seq"], to, chunks) == ("chunk", "chunk", seq, job.routes, said["index"])
        self.sent.append((said["index"], seq, said["data"]))

    async def append_events(self, _job: Job, chunks: Sequence[Chunk]) -> None:
        self.writing += 1
        assert self.writing == 1
        self.tried.append([chunk.index for chunk in chunks])
        await self.release.wait()
        self.writing -= 1
        if self.error is not None:
            raise self.error
        self.log += chunks

    def output(self, batch_s: float = 0.02) -> Output:
        parts: Any = self
        self.made.append(Output(parts, parts, parts, self.numbering, batch_s=batch_s, clock=lambda: 1.0))
        return self.made[-1]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for output in world.made:
        output.drop()
        await output.ended()


def big(size: int = BATCH_BYTES) -> bytes:
    return b'"' + b"x" * (size - 2) + b'"'


async def test_a_chunk_is_sent_at_once_and_stored_with_those_that_follow_it_soon(world: World) -> None:
    output = world.output()
    output.put(b'{"row":1}')
    world.numbering.next()  # a progress in between
    output.put(b"2")
    assert world.sent == [(3, 1, {"row": 1}), (4, 3, 2)]
    assert world.tried == []
    await until(lambda: output.stored == 5)
    assert world.log == [Chunk(3, 1, 1, b'{"row":1}'), Chunk(4, 1, 3, b"2")]
    assert world.tried == [[3, 4]]


async def test_nobody_listens_and_it_is_stored_all_the_same(world: World) -> None:
    world.job = replace(world.job, routes=frozenset())
    output = world.output()
    output.put(b"1")
    assert await output.flush() == 4
    assert (world.sent, len(world.log)) == ([], 1)


async def test_a_batch_that_is_big_enough_waits_no_longer(world: World) -> None:
    output = world.output(batch_s=3600)
    output.put(big(BATCH_BYTES // 2))
    assert world.tried == []
    output.put(big(BATCH_BYTES // 2))
    await until(lambda: output.stored == 5)


async def test_one_write_at_a_time_and_the_rest_with_the_next(world: World) -> None:
    output = world.output(batch_s=0.0)
    world.release.clear()
    output.put(b"1")
    await until(lambda: world.tried)
    output.put(b"2")
    output.put(big())
    world.release.set()
    await until(lambda: output.stored == 6)
    assert world.tried == [[3], [4, 5]]


async def test_a_flush_waits_for_what_was_put_before_it_and_for_no_more(world: World) -> None:
    output = world.output(batch_s=3600)
    output.put(b"1")
    world.release.clear()
    flushing = asyncio.create_task(output.flush(), name="flush")
    await until(lambda: world.tried == [[3]])
    output.put(b"2")
    world.release.set()
    assert await flushing == 4
    assert [chunk.index for chunk in world.log] == [3]
    assert await output.flush() == 5


async def test_a_flush_of_nothing_returns(world: World) -> None:
    assert await world.output().flush() == 3


async def test_two_flushes_share_a_write(world: World) -> None:
    output = world.output(batch_s=3600)
    output.put(b"1")
    first, second = await asyncio.gather(output.flush(), output.flush())
    assert (first, second) == (4, 4)
    assert world.tried == [[3]]


async def test_a_batch_is_the_same_every_time_it_is_written(world: World) -> None:
    world.error = StoreUnavailable()
    output = world.output(batch_s=0.0)
    output.put(b"1")
    await until(lambda: len(world.tried) == 1)
    output.put(b"2")
    await until(lambda: len(world.tried) == 2)
    world.error = None
    assert await output.flush() == 5
    assert {*map(tuple, world.tried)} == {(3,), (4,)}
    assert [chunk.index for chunk in world.log] == [3, 4]


async def test_room_is_made_by_storing(world: World) -> None:
    output = world.output(batch_s=3600)
    world.release.clear()
    for _ in range(7):
        output.put(big(40_000))
    waiting = asyncio.create_task(output.room(), name="room")
    await until(lambda: world.tried)
    assert not waiting.done()
    world.release.set()
    await waiting
    assert output.has_room
    assert len(world.log) == 7


async def test_many_tiny_chunks_count_too(world: World) -> None:
    output = world.output(batch_s=3600)
    world.release.clear()
    for _ in range(MAX_UNSTORED_BYTES // 64):
        output.put(b"1")
    assert not output.has_room


async def test_whoever_is_stopped_while_it_waits_stops_nobody_else(world: World) -> None:
    output = world.output(batch_s=3600)
    world.release.clear()
    output.put(b"1")
    flushing = asyncio.create_task(output.flush(), name="flush")
    await until(lambda: world.tried)
    flushing.cancel()
    world.release.set()
    await until(lambda: output.stored == 4)


@pytest.mark.parametrize("verb", [Output.flush, Output.room])
async def test_what_was_dropped_is_waited_for_in_vain(world: World, verb: Callable[[Output], Any]) -> None:
    output = world.output(batch_s=3600)
    world.release.clear()
    output.put(big(MAX_UNSTORED_BYTES))
    output.put(b"2")
    waiting = asyncio.create_task(verb(output), name="waiting")
    await until(lambda: world.tried)
    output.drop()
    await asyncio.wait([waiting])
    assert waiting.cancelled()
    with pytest.raises(asyncio.CancelledError):
        await verb(output)
    await output.ended()
    assert world.log == []


async def test_a_drop_before_anything_was_written_leaves_nothing_behind(world: World) -> None:
    output = world.output(batch_s=0.0)
    output.put(b"1")
    output.drop()
    await output.ended()
    await asyncio.sleep(0)  # the timer would have its turn
    assert world.tried == []


async def test_after_a_fault_of_ours_nothing_is_written_past_the_hole(world: World) -> None:
    world.error = RuntimeError("a fault of ours")
    output = world.output(batch_s=0.0)
    output.put(b"1")
    await until(lambda: world.tried == [[3]])
    output.put(big())
    with pytest.raises(RuntimeError, match="of ours"):
        await output.flush()
    assert world.tried == [[3]]
