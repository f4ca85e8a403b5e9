"""What handlers tell, from the loop and from threads."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from streamer.errors import Fenced, StoreUnavailable
from streamer.jobs.model import Job, Kept, Progress, Status
from streamer.store.base import Chunk
from tests.support import jobs
from tests.support.until import until
from workers.output import MAX_UNSTORED_BYTES
from workers.progress import Pace
from workers.reporter import AttemptReporter


class World:
    """The attempt, the courier and the store of one reporter."""

    def __init__(self) -> None:
        self.job = replace(jobs.row_in(Status.PROCESSING), routes=frozenset({"n1.a"}), kept=(Kept(1, 2),))
        self.sent: list[tuple[str, int]] = []
        self.log: list[Chunk] = []
        self.writes: list[tuple[str, int]] = []  # to the row
        self.checkpoints: list[tuple[bytes, int]] = []
        self.was_fenced = False
        self.errors: list[Exception] = []  # of the next checkpoints
        self.stores_output = asyncio.Event()
        self.stores_output.set()
        self.stores_row = asyncio.Event()
        self.stores_row.set()
        parts: Any = self
        self.reporter = AttemptReporter(
            parts, requests=parts, events=parts, courier=parts, pace=Pace(0, 0), batch_s=0.01
        )

    @property
    def audience(self) -> frozenset[str]:
        return self.job.routes

    def learn(self, row: Job) -> None:
        self.job = row

    def fenced(self) -> None:
        self.was_fenced = True

    def send(self, _job: Job, kind: str, seq: int, _frame: bytes, **_: Any) -> None:
        self.sent.append((kind, seq))

    async def append_events(self, _job: Job, chunks: Sequence[Chunk]) -> None:
        await self.stores_output.wait()
        self.log += chunks

    async def save_progress(self, job: Job, _progress: Progress, seq: int) -> Job:
        self.writes.append(("progress", seq))
        await self.stores_row.wait()
        return replace(job, seq=seq)

    async def save_checkpoint(self, job: Job, state: bytes, seq: int, *, chunks: int) -> Job:
        self.writes.append(("checkpoint", seq))
        await self.stores_row.wait()
        if self.errors:
            raise self.errors.pop(0)
        self.checkpoints.append((state, chunks))
        return replace(job, seq=seq, checkpoint=state)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for gate in (world.stores_output, world.stores_row):
        gate.set()
    world.reporter.drop()
    await world.reporter.ended()


def big() -> bytes:
    return b'"' + b"x" * MAX_UNSTORED_BYTES + b'"'


async def test_all_that_is_told_is_numbered_by_one_count(world: World) -> None:
    reporter = world.reporter
    reporter.progress(Progress(1.0))
    await reporter.emit(b"1")
    await reporter.save_checkpoint(b"{}")
    reporter.progress(Progress(2.0))
    reporter.emit(b"2")
    assert world.sent == [("progress", 1), ("chunk", 2), ("progress", 4), ("chunk", 5)]
    assert reporter.seq == 5
    assert await reporter.flush() == 4
    assert [(chunk.index, chunk.seq) for chunk in world.log] == [(2, 2), (3, 5)]


async def test_a_checkpoint_says_how_much_output_is_stored_before_it(world: World) -> None:
    world.reporter.emit(b"1")
    await world.reporter.save_checkpoint(b'{"page":7}')
    assert world.checkpoints == [(b'{"page":7}', 3)]
    assert [chunk.index for chunk in world.log] == [2]
    assert world.job.checkpoint == b'{"page":7}'


async def test_a_checkpoint_is_written_again_until_the_store_is_back(world: World) -> None:
    world.errors = [StoreUnavailable(), StoreUnavailable()]
    await world.reporter.save_checkpoint(b"1")
    assert world.writes == [("checkpoint", 1)] * 3
    assert world.checkpoints == [(b"1", 2)]


async def test_no_progress_overtakes_a_checkpoint_on_its_way_to_the_row(world: World) -> None:
    world.stores_row.clear()
    saving = asyncio.create_task(_saved(world.reporter, b"1"), name="checkpoint")
    await until(lambda: world.writes == [("checkpoint", 1)])
    world.reporter.progress(Progress(10.0))
    await until(lambda: world.reporter._progress._saving is not None)
    assert world.writes == [("checkpoint", 1)]
    world.stores_row.set()
    await saving
    await until(lambda: world.writes == [("checkpoint", 1), ("progress", 2)])


async def _saved(reporter: AttemptReporter, state: bytes) -> None:
    await reporter.save_checkpoint(state)


async def test_a_checkpoint_that_is_fenced_ends_the_attempt(world: World) -> None:
    world.errors = [Fenced()]
    with pytest.raises(asyncio.CancelledError):
        await world.reporter.save_checkpoint(b"1")
    assert world.was_fenced


async def test_a_checkpoint_that_is_fenced_after_the_end_is_nothing_to_anybody(world: World) -> None:
    world.stores_row.clear()
    world.errors = [Fenced()]
    saving = asyncio.create_task(_saved(world.reporter, b"1"), name="checkpoint")
    await until(lambda: world.writes)
    world.reporter.close()
    world.stores_row.set()
    await asyncio.wait([saving])
    assert not world.was_fenced


async def test_output_that_is_not_awaited_is_recorded_whatever_there_is_of_it(world: World) -> None:
    world.stores_output.clear()
    for _ in range(3):
        world.reporter.emit(big())
    world.stores_output.set()
    assert await world.reporter.flush() == 5


async def test_awaiting_output_waits_while_too_much_is_not_stored(world: World) -> None:
    world.stores_output.clear()
    await world.reporter.emit(b"1")

    async def emitted() -> None:
        await world.reporter.emit(big())

    emitting = asyncio.create_task(emitted(), name="emit")
    await until(lambda: len(world.sent) == 2)
    assert not emitting.done()
    world.stores_output.set()
    await emitting
    assert world.reporter.stored >= 3


async def test_a_thread_tells_as_the_loop_does(world: World) -> None:
    def handler() -> None:
        world.reporter.progress(Progress(1.0))
        world.reporter.emit(b"1")
        world.reporter.emit(b"2")
        world.reporter.save_checkpoint(b"7")

    await asyncio.to_thread(handler)
    assert world.sent == [("progress", 1), ("chunk", 2), ("chunk", 3)]
    assert world.checkpoints == [(b"7", 4)]


async def test_a_thread_waits_while_too_much_is_not_stored_and_is_woken_when_it_is_stopped(world: World) -> None:
    world.stores_output.clear()
    went_on = threading.Event()

    def handler() -> None:
        world.reporter.emit(big())
        went_on.set()

    running = asyncio.create_task(asyncio.to_thread(handler), name="handler")
    await until(lambda: world.sent)
    assert not running.done()
    world.reporter.interrupt()
    await asyncio.wait([running])
    assert running.cancelled()
    assert not went_on.is_set()


async def test_a_thread_that_was_stopped_before_is_not_let_in(world: World) -> None:
    world.reporter.interrupt()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.to_thread(world.reporter.emit, b"1")
    assert world.log == []


class JustAfter(threading.Event):
    """Is set right after somebody has seen that it is not."""

    def is_set(self) -> bool:
        was_set = super().is_set()
        self.set()
        return was_set


async def test_a_thread_that_is_stopped_on_its_way_in_does_not_wait(world: World) -> None:
    """Whoever interrupts wakes those that it knows; this one is not yet among them."""
    world.reporter._interrupted = JustAfter()
    world.stores_output.clear()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.to_thread(world.reporter.emit, big())


async def test_after_the_end_nothing_is_taken(world: World) -> None:
    world.reporter.close()
    with pytest.raises(asyncio.CancelledError):
        world.reporter.emit(b"1")
    with pytest.raises(asyncio.CancelledError):
        world.reporter.save_checkpoint(b"1")
    with pytest.raises(asyncio.CancelledError):
        await asyncio.to_thread(world.reporter.emit, b"1")
    world.reporter.progress(Progress(1.0))
    assert (world.sent, world.reporter.seq, await world.reporter.flush()) == ([], 0, 2)


async def test_what_was_emitted_before_the_end_is_still_stored(world: World) -> None:
    world.reporter.emit(b"1")
    world.reporter.close()
    assert await world.reporter.flush() == 3
    assert len(world.log) == 1
