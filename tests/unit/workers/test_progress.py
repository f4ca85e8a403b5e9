"""Progress at its pace: numbered, the newest wins, what was held back is sent."""

import asyncio
from dataclasses import replace
from typing import Any

import orjson
import pytest

from streamer.errors import Fenced, StoreUnavailable
from streamer.jobs.model import Job, Progress, Status
from tests.support import jobs
from tests.support.until import until
from workers.numbering import Numbering
from workers.progress import Pace, ProgressReporter


class World:
    """The attempt, the courier and the store of one reporter."""

    def __init__(self) -> None:
        self.job = replace(jobs.row_in(Status.PROCESSING), routes=frozenset({"n1.a"}))
        self.learned: list[Job] = []
        self.was_fenced = False
        self.numbering = Numbering(7)
        self.row = asyncio.Lock()
        self.sent: list[tuple[int, float]] = []
        self.saved: list[tuple[float, int]] = []
        self.error: Exception | None = None
        self.release = asyncio.Event()
        self.release.set()

    def learn(self, row: Job) -> None:
        self.learned.append(row)

    def fenced(self) -> None:
        self.was_fenced = True

    @property
    def audience(self) -> frozenset[str]:
        return self.job.routes

    def send(
        self, job: Job, kind: str, seq: int, frame: bytes, *, to: frozenset[str], chunks: int, percentage: float
    ) -> None:
        assert (kind, orjson.loads(frame)["seq"], to, chunks) == ("progress", seq, job.routes, 7)
        self.sent.append((seq, percentage))

    async def save_progress(self, job: Job, progress: Progress, seq: int) -> Job:
        self.saved.append((progress.percentage, seq))
        await self.release.wait()
        if self.error is not None:
            raise self.error
        return replace(job, progress=progress, seq=seq)

    def reporter(self, live_s: float, persist_s: float) -> ProgressReporter:
        parts: Any = self
        pace = Pace(live_s, persist_s)
        return ProgressReporter(parts, parts, parts, self.numbering, pace, self.row, clock=lambda: 1.0)


@pytest.fixture
async def world() -> World:
    return World()


async def test_the_first_goes_out_at_once_and_the_newest_of_the_rest_in_time(world: World) -> None:
    reporter = world.reporter(0.05, 3600)
    for percentage in (10.0, 20.0, 30.0):
        reporter.take(Progress(percentage))
    assert world.sent == [(1, 10.0)]
    await until(lambda: len(world.sent) == 2)
    assert world.sent == [(1, 10.0), (2, 30.0)]
    reporter.close()


async def test_nothing_follows_the_end(world: World) -> None:
    reporter = world.reporter(0.01, 0.01)
    reporter.take(Progress(10.0))
    reporter.take(Progress(20.0))
    reporter.close()
    reporter.take(Progress(30.0))
    await reporter.ended()
    assert (world.sent, world.saved) == ([(1, 10.0)], [])


async def test_nobody_listens_and_it_is_kept_all_the_same(world: World) -> None:
    world.job = replace(world.job, routes=frozenset())
    reporter = world.reporter(0, 0)
    reporter.take(Progress(10.0))
    await until(lambda: world.learned)
    assert (world.sent, world.saved, world.learned[0].seq) == ([], [(10.0, 1)], 1)
    reporter.close()


async def test_a_number_that_another_write_to_the_row_has_overtaken_is_not_used(world: World) -> None:
    reporter = world.reporter(0, 0)
    await world.row.acquire()
    reporter.take(Progress(10.0))
    await until(lambda: reporter._saving is not None)
    world.numbering.stored = world.numbering.next()
    world.row.release()
    await until(lambda: world.learned)
    assert world.saved == [(10.0, 2)]
    reporter.close()


async def test_what_waits_for_the_row_when_the_attempt_ends_is_not_written(world: World) -> None:
    reporter = world.reporter(0, 0)
    await world.row.acquire()
    reporter.take(Progress(10.0))
    await until(lambda: reporter._saving is not None)
    reporter.close()
    world.row.release()
    await reporter.ended()
    assert world.saved == []


async def test_one_write_at_a_time_and_the_newest_next(world: World) -> None:
    world.release.clear()
    reporter = world.reporter(0, 0)
    reporter.take(Progress(10.0))
    await until(lambda: world.saved)
    reporter.take(Progress(20.0))
    reporter.take(Progress(30.0))
    world.release.set()
    await until(lambda: len(world.learned) == 2)
    assert world.saved == [(10.0, 1), (30.0, 3)]
    reporter.close()
    await reporter.ended()


async def test_a_store_that_is_away_costs_one_write(world: World) -> None:
    world.error = StoreUnavailable()
    reporter = world.reporter(0, 0)
    reporter.take(Progress(10.0))
    await until(lambda: len(world.saved) == 1)
    world.error = None
    reporter.take(Progress(20.0))
    await until(lambda: len(world.learned) == 1)
    assert world.saved == [(10.0, 1), (20.0, 2)]
    reporter.close()


@pytest.mark.parametrize("is_over", [True, False])
async def test_a_fenced_write_ends_the_attempt_unless_it_is_over(world: World, is_over: bool) -> None:
    world.error = Fenced()
    world.release.clear()
    reporter = world.reporter(0, 0)
    reporter.take(Progress(10.0))
    await until(lambda: world.saved)
    if is_over:
        reporter.close()
    world.release.set()
    await reporter.ended()
    assert world.was_fenced is not is_over
    reporter.close()


async def test_a_write_that_arrives_after_the_end_teaches_nothing(world: World) -> None:
    world.release.clear()
    reporter = world.reporter(0, 0)
    reporter.take(Progress(10.0))
    await until(lambda: world.saved)
    reporter.close()
    world.release.set()
    await reporter.ended()
    assert world.learned == []


async def test_the_row_says_how_much_output_comes_before_its_progress(world: World) -> None:
    """A node that tells it from the row would else tell it before chunks of lower numbers."""
    reporter = world.reporter(0, 0)
    reporter.take(Progress(10.0))
    await until(lambda: world.learned)
    assert world.learned[0].progress == Progress(10.0, chunks=7)
    reporter.close()


async def test_progress_in_the_place_of_a_checkpoint_comes_after_the_output_before_that(world: World) -> None:
    reporter = world.reporter(0, 0)
    async with world.row:
        reporter.take(Progress(10.0))
        world.numbering.next_index()
        world.numbering.stored = world.numbering.next()
    await until(lambda: world.learned)
    assert (world.learned[0].progress, world.learned[0].seq) == (Progress(10.0, chunks=8), 2)
    reporter.close()
