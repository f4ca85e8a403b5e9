"""claim: one attempt at a time, each with a number of its own."""

import asyncio
from dataclasses import replace

import pytest

from streamer.jobs import lifecycle
from streamer.jobs.dispatch import Kind
from streamer.jobs.model import Progress, Status
from tests.support.jobs import DAY_MS, OOPS, Clock
from tests.support.store import Engine, Scene


async def test_a_claimed_job_is_running(scene: Scene) -> None:
    waiting = await scene.submit()
    scene.clock.advance(700)
    job = await scene.claim(waiting, "session-a")
    assert (job.status, job.attempt, job.owner, job.seq) == (Status.PROCESSING, 1, "session-a", 0)
    assert (job.started_ms, job.start_by_ms) == (scene.clock(), None)
    assert await scene.row(job) == job
    assert await scene.index(Kind.READY) == {}
    assert await scene.index(Kind.RUNNING) == {job.job_id: job.entry}


async def test_of_many_claims_one_gets_the_job(engine: Engine, clock: Clock) -> None:
    async with engine.open(clock=clock) as one, engine.open(clock=clock) as other:
        scene = Scene(one, clock)
        job = await scene.submit()
        claims = [store.requests.claim(job.job_id, job.queue, f"s{n}") for n in range(8) for store in (one, other)]
        won = [each for each in await asyncio.gather(*claims) if each is not None]
        assert len(won) == 1
        assert await scene.row(job) == won[0]


@pytest.mark.parametrize("ended", ["complete", "fail", "cancel"])
async def test_what_is_finished_is_not_to_be_had(scene: Scene, ended: str) -> None:
    job = await scene.submit()
    if ended == "cancel":
        await scene.cancel(job)
    elif ended == "fail":
        await scene.store.requests.fail(await scene.claim(job), OOPS, 1)
    else:
        await scene.store.requests.complete(await scene.claim(job), b"1", 1)
    assert await scene.store.requests.claim(job.job_id, scene.queue, "s") is None


async def test_what_is_not_there_is_not_to_be_had(scene: Scene) -> None:
    assert await scene.store.requests.claim("0" * 32, scene.queue, "s") is None


async def test_a_claim_names_the_right_queue(scene: Scene) -> None:
    job = await scene.submit()
    assert await scene.store.requests.claim(job.job_id, f"{scene.queue}-other", "s") is None
    assert await scene.row(job) == job


async def test_what_its_user_cancelled_is_not_to_be_had(scene: Scene) -> None:
    """No verb leaves such a row waiting; if one ever did, the claim would still not run it."""
    job = lifecycle.submit(scene.submission(), "n", scene.clock(), scene.clock())
    await scene.rows.insert(replace(job, cancel_requested_ms=scene.clock()), scene.clock())
    assert await scene.store.requests.claim(job.job_id, scene.queue, "s") is None


async def test_the_next_attempt_begins_anew(scene: Scene) -> None:
    running = await scene.running(max_retries=1)
    await scene.store.requests.save_progress(running, Progress(60, "far"), 5)
    await scene.store.requests.retry(running, OOPS, 6, scene.clock() + 1_000)
    assert await scene.store.requests.claim(running.job_id, scene.queue, "session-b") is None
    first_start = scene.clock()
    scene.clock.advance(1_000)
    again = await scene.claim(running, "session-b")
    assert (again.attempt, again.seq, again.progress, again.owner) == (2, 0, None, "session-b")
    assert (again.due_ms, again.started_ms, again.retry_count) == (None, first_start, 1)


async def test_what_nobody_started_in_time_is_failed_by_the_claim(scene: Scene) -> None:
    job = await scene.submit(start_within_ms=1_000)
    scene.clock.advance(1_000)
    expired = await scene.store.requests.claim(job.job_id, scene.queue, "s")
    assert expired is not None
    assert (expired.status, expired.attempt, expired.owner) == (Status.FAILED, 0, None)
    assert expired.error is not None
    assert expired.error.code == "TIMEOUT"
    assert expired.seq == 1
    assert list(await scene.index(Kind.DEAD)) == [job.job_id]
    assert await scene.store.requests.claim(job.job_id, scene.queue, "s") is None


async def test_of_many_claims_of_an_expired_job_one_fails_it(scene: Scene) -> None:
    job = await scene.submit(start_within_ms=1_000)
    scene.clock.advance(5_000)
    claims = (scene.store.requests.claim(job.job_id, scene.queue, f"s{number}") for number in range(8))
    assert len([each for each in await asyncio.gather(*claims) if each is not None]) == 1


async def test_the_time_to_start_begins_after_the_delay(scene: Scene) -> None:
    job = await scene.submit(delay_ms=10_000, start_within_ms=1_000)
    scene.clock.advance(10_999)
    assert (await scene.claim(job)).status is Status.PROCESSING


async def test_once_started_a_job_does_not_expire(scene: Scene) -> None:
    running = await scene.running(start_within_ms=1_000)
    await scene.store.requests.release(running)
    scene.clock.advance(30 * DAY_MS)
    assert (await scene.claim(running)).attempt == 2
