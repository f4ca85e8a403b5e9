"""The event log: the output of jobs, in pieces, as it stands by their rows."""

import random
from collections.abc import Iterable, Sequence

import pytest

from streamer.jobs.model import Job
from streamer.store.base import Chunk
from streamer.store.log import MAX_CHUNK_BYTES, PAGE_BYTES
from streamer.store.queue import Retention
from tests.support.jobs import DAY_MS, OOPS, Clock
from tests.support.store import Engine, Scene

BATCH = 20


def chunks(job: Job, indexes: Iterable[int], *, size: int = 20) -> list[Chunk]:
    """What this attempt says of each index; no two attempts say the same."""
    noise = random.Random(job.attempt)
    return [
        Chunk(
            index,
            job.attempt,
            index + 100,
            b'"%d of %d %b"' % (index, job.attempt, noise.randbytes(size).hex().encode()),
        )
        for index in indexes
    ]


async def emit(scene: Scene, job: Job, indexes: range, *, size: int = 20) -> list[Chunk]:
    """Stores what a worker does: a batch at a time."""
    made = chunks(job, indexes, size=size)
    for start in range(0, len(made), BATCH):
        await scene.store.events.append_events(job, made[start : start + BATCH])
    return made


async def everything(scene: Scene, job: Job, start: int = 0) -> list[Chunk]:
    """Page by page, as a reader does who lacks all from `start` on."""
    found: list[Chunk] = []
    while page := await scene.store.events.read_events(job, found[-1].index + 1 if found else start):
        found += page
    return found


def numbers(found: Sequence[Chunk]) -> list[int]:
    return [chunk.index for chunk in found]


async def test_output_comes_back_as_it_was_emitted(scene: Scene) -> None:
    running = await scene.running()
    datas = [b'{"line":1}', '"ä\u2028"'.encode(), b"[]", b"null", b"0.1", b"-1"]
    made = [Chunk(index, 1, 10 + 2 * index, data) for index, data in enumerate(datas)]
    await scene.store.events.append_events(running, made)
    assert await scene.store.events.read_events(running, 0) == made


async def test_nothing_was_emitted(scene: Scene) -> None:
    assert await scene.store.events.read_events(await scene.submit(), 0) == []
    running = await scene.running("r2")
    await scene.store.events.append_events(running, [])
    assert await scene.store.events.read_events(running, 0) == []


@pytest.mark.parametrize("start", [0, 1, BATCH - 1, BATCH, 333, 498, 499, 500, 10_000])
async def test_a_reader_gets_all_from_where_it_is(scene: Scene, start: int) -> None:
    running = await scene.running()
    made = await emit(scene, running, range(500))
    assert await everything(scene, running, start) == made[start:]


async def test_a_reader_follows_a_job_that_runs(scene: Scene) -> None:
    running = await scene.running()
    first = await emit(scene, running, range(30))
    assert await everything(scene, running) == first
    assert await scene.store.events.read_events(running, 30) == []
    more = await emit(scene, running, range(30, 50))
    assert await everything(scene, running, 30) == more


async def test_the_same_chunks_again_have_no_effect(scene: Scene) -> None:
    """The answer was lost, and the worker does not know it."""
    running = await scene.running()
    made = await emit(scene, running, range(50))
    assert await emit(scene, running, range(50)) == made
    assert await everything(scene, running) == made


async def test_a_page_is_about_64_kb(scene: Scene) -> None:
    running = await scene.running()
    made = await emit(scene, running, range(300), size=500)
    page = await scene.store.events.read_events(running, 0)
    size = sum(len(chunk.data) for chunk in page)
    assert PAGE_BYTES // 2 < size < 2 * PAGE_BYTES
    assert await everything(scene, running) == made


@pytest.mark.parametrize("size", [50_000, MAX_CHUNK_BYTES // 2 - 20])
async def test_big_chunks_come_one_page_after_the_other(scene: Scene, size: int) -> None:
    """More than the megabyte that DynamoDB gives at once."""
    running = await scene.running()
    made = chunks(running, range(15), size=size)
    await scene.store.events.append_events(running, made)
    assert await everything(scene, running) == made
    assert await everything(scene, running, 7) == made[7:]


async def test_a_chunk_that_fits_nowhere_is_refused(scene: Scene) -> None:
    running = await scene.running()
    with pytest.raises(ValueError, match="chunk 1 has"):
        await scene.store.events.append_events(running, [Chunk(0, 1, 1, b"1"), Chunk(1, 1, 2, b"1" * 300_001)])
    assert await scene.store.events.read_events(running, 0) == []


async def test_jobs_do_not_read_each_others_output(scene: Scene) -> None:
    ours, theirs = await scene.running("r1"), await scene.running("r2")
    made = await emit(scene, ours, range(10))
    await emit(scene, theirs, range(30))
    assert await everything(scene, ours) == made


# --- attempts -------------------------------------------------------------------------------------------------


async def test_a_new_attempt_voids_earlier_output(scene: Scene) -> None:
    first = await scene.running(max_retries=3)
    await emit(scene, first, range(100))
    waiting = await scene.store.requests.retry(first, OOPS, 200, scene.clock())
    assert await everything(scene, waiting) == []
    second = await scene.claim(waiting)
    assert await everything(scene, second) == []
    made = await emit(scene, second, range(10))
    assert await everything(scene, second) == made


async def test_two_attempts_lost_a_zombie_and_a_third_that_completes(scene: Scene) -> None:
    queue = scene.store.requests
    first = await scene.running(max_retries=3)
    made = await emit(scene, first, range(50))
    await queue.save_checkpoint(first, b'{"page":5}', 150, chunks=50)
    await emit(scene, first, range(50, 100))
    waiting = await queue.lost(first)
    await emit(scene, first, range(100, 120))  # it was not dead, only slow
    assert await everything(scene, waiting) == made[:50]

    second = await scene.claim(waiting, "session-b")
    assert second.kept_chunks == 50
    assert await everything(scene, second) == made[:50]
    made += await emit(scene, second, range(50, 60))
    await queue.save_checkpoint(second, b'{"page":6}', 160, chunks=60)
    lost = await emit(scene, second, range(60, 70))
    assert await everything(scene, await scene.row(second)) == made + lost
    waiting = await queue.lost(second)

    third = await scene.claim(waiting, "session-c")
    assert third.kept_chunks == 60
    made += await emit(scene, third, range(60, 85))
    for start in range(86):
        assert await everything(scene, third, start) == made[start:]
    done = await queue.complete(third, b"1", 300, chunks=85)
    await emit(scene, second, range(70, 140))  # the second one comes back too, after the end
    for start in range(86):
        assert await everything(scene, done, start) == made[start:]
    assert [chunk.attempt for chunk in made] == [1] * 50 + [2] * 10 + [3] * 25


async def test_a_batch_may_go_on_after_the_checkpoint_that_it_holds(scene: Scene) -> None:
    first = await scene.running(max_retries=3)
    made = chunks(first, range(30))
    await scene.store.events.append_events(first, made)
    await scene.store.requests.save_checkpoint(first, b"1", 1, chunks=25)
    second = await scene.claim(await scene.store.requests.lost(first))
    more = await emit(scene, second, range(25, 35))
    assert await everything(scene, second) == made[:25] + more


async def test_what_a_failed_or_cancelled_job_emitted_can_be_read(scene: Scene) -> None:
    failing, stopping = await scene.running("r1"), await scene.running("r2")
    outputs = [await emit(scene, job, range(30)) for job in (failing, stopping)]
    failed = await scene.store.requests.fail(failing, OOPS, 200, chunks=30)
    await scene.cancel(stopping)
    cancelled = await scene.store.requests.cancelled(stopping, 200, chunks=30)
    assert [await everything(scene, job) for job in (failed, cancelled)] == outputs


async def test_of_what_was_lost_for_good_only_what_was_kept_can_be_read(scene: Scene) -> None:
    running = await scene.running()
    made = await emit(scene, running, range(50))
    await scene.store.requests.save_checkpoint(running, b"1", 150, chunks=50)
    await emit(scene, running, range(50, 70))
    assert await everything(scene, await scene.store.requests.lost(await scene.row(running))) == made


async def test_what_was_kept_can_be_read_after_a_cancel_while_it_waited(scene: Scene) -> None:
    running = await scene.running(max_retries=3)
    made = await emit(scene, running, range(50))
    saved = await scene.store.requests.save_checkpoint(running, b"1", 150, chunks=50)
    await emit(scene, running, range(50, 70))
    assert await everything(scene, await scene.cancel(await scene.store.requests.lost(saved))) == made


# --- time -----------------------------------------------------------------------------------------------------


async def test_output_is_kept_for_its_days_from_its_own_write(scene: Scene) -> None:
    running = await scene.running()
    await emit(scene, running, range(40))
    scene.clock.advance(4 * DAY_MS)
    newer = await emit(scene, running, range(40, 60))
    scene.clock.advance(3 * DAY_MS - 1)
    assert numbers(await everything(scene, running)) == list(range(60))
    scene.clock.advance(1)
    assert await scene.store.events.read_events(running, 0) == newer
    assert await scene.store.events.read_events(running, 39) == newer
    scene.clock.advance(4 * DAY_MS)
    assert await scene.store.events.read_events(running, 0) == []


async def test_a_stretch_that_expired_is_passed_over(scene: Scene) -> None:
    first = await scene.running(max_retries=3)
    await emit(scene, first, range(40))
    await scene.store.requests.save_checkpoint(first, b"1", 200, chunks=40)
    second = await scene.claim(await scene.store.requests.lost(first))
    scene.clock.advance(4 * DAY_MS)
    newer = await emit(scene, second, range(40, 60))
    scene.clock.advance(3 * DAY_MS)
    assert await everything(scene, second, 10) == newer


async def test_many_expired_items_do_not_hide_what_comes_after_them(scene: Scene) -> None:
    running = await scene.running()
    for index in range(12):
        await scene.store.events.append_events(running, chunks(running, [index]))
    scene.clock.advance(4 * DAY_MS)
    newer = chunks(running, range(12, 15))
    await scene.store.events.append_events(running, newer)
    scene.clock.advance(3 * DAY_MS)
    assert await scene.store.events.read_events(running, 0) == newer


async def test_the_days_are_those_of_outcomes(engine: Engine, clock: Clock) -> None:
    async with engine.open(clock=clock, retention=Retention(outcome_ms=60_000, dead_letter_ms=120_000)) as store:
        scene = Scene(store, clock)
        running = await scene.running()
        made = await emit(scene, running, range(3))
        clock.advance(59_999)
        assert await everything(scene, running) == made
        clock.advance(1)
        assert await everything(scene, running) == []
