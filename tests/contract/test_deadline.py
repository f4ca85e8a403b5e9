"""expires_in: from then on an outcome is pointless, so nothing is started any more."""

import asyncio

from streamer.jobs.dispatch import Kind
from streamer.jobs.model import FIRST_VERSION, Job, Status
from tests.support.jobs import OOPS
from tests.support.store import Scene


async def expired(scene: Scene, job: Job) -> Job:
    """What a claim makes of it."""
    row = await scene.store.requests.claim(job.job_id, scene.queue, "session-b")
    assert row is not None
    assert row.error is not None
    assert (row.status, row.error.code) == (Status.FAILED, "TIMEOUT")
    return row


async def test_a_deadline_is_counted_from_the_submit(scene: Scene) -> None:
    job = await scene.submit(expires_in_ms=5_000, delay_ms=2_000)
    assert job.deadline_ms == scene.clock() + 5_000
    assert await scene.row(job) == job
    assert (await scene.submit("r2")).version == FIRST_VERSION


async def test_it_may_be_started_until_then(scene: Scene) -> None:
    job = await scene.submit(expires_in_ms=5_000)
    scene.clock.advance(4_999)
    assert (await scene.claim(job)).deadline_ms == job.deadline_ms


async def test_what_waits_is_failed_by_the_claim_that_comes_too_late(scene: Scene) -> None:
    job = await scene.submit(expires_in_ms=5_000)
    scene.clock.advance(5_000)
    row = await expired(scene, job)
    assert (row.attempt, row.owner) == (0, None)
    assert list(await scene.index(Kind.DEAD)) == [job.job_id]
    assert await scene.store.requests.claim(job.job_id, scene.queue, "session-c") is None


async def test_of_many_claims_that_come_too_late_one_fails_it(scene: Scene) -> None:
    job = await scene.submit(expires_in_ms=5_000)
    scene.clock.advance(9_000)
    claims = (scene.store.requests.claim(job.job_id, scene.queue, f"s{number}") for number in range(8))
    assert len([each for each in await asyncio.gather(*claims) if each is not None]) == 1


async def test_a_retry_that_is_due_before_waits_for_it(scene: Scene) -> None:
    job = await scene.running(expires_in_ms=5_000, max_retries=1)
    row = await scene.store.requests.retry(job, OOPS, 1, scene.clock() + 4_999)
    assert row.status is Status.RETRYING
    scene.clock.advance(5_000)
    row = await expired(scene, job)
    assert row.attempt == 1


async def test_a_retry_that_would_come_too_late_is_a_failure(scene: Scene) -> None:
    job = await scene.running(expires_in_ms=5_000, max_retries=1)
    row = await scene.store.requests.retry(job, OOPS, 1, scene.clock() + 5_000)
    assert (row.status, row.error) == (Status.FAILED, OOPS)


async def test_what_is_given_back_too_late_is_not_started_again(scene: Scene) -> None:
    released = await scene.running("r1", expires_in_ms=5_000)
    lost = await scene.running("r2", expires_in_ms=5_000, max_retries=1)
    scene.clock.advance(5_000)
    await scene.store.requests.release(released)
    await scene.store.requests.lost(lost)
    await expired(scene, released)
    await expired(scene, lost)


async def test_a_result_is_a_result_however_late(scene: Scene) -> None:
    job = await scene.running(expires_in_ms=5_000)
    scene.clock.advance(60_000)
    assert (await scene.store.requests.complete(job, b"1", 1)).status is Status.COMPLETED


async def test_a_repeat_keeps_the_deadline_of_the_first(scene: Scene) -> None:
    job = await scene.submit(expires_in_ms=5_000)
    scene.clock.advance(1_000)
    again = await scene.submit(expires_in_ms=60_000)
    assert again.deadline_ms == job.deadline_ms


async def test_a_redrive_has_no_deadline(scene: Scene) -> None:
    """An operator wants it now, whoever wanted it in time."""
    job = await scene.submit(expires_in_ms=5_000)
    scene.clock.advance(5_000)
    dead = await expired(scene, job)
    again = await scene.store.requests.redrive(dead.job_id)
    assert (again.deadline_ms, (await scene.claim(again)).status) == (None, Status.PROCESSING)
