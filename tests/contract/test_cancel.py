"""cancel: waiting, running, finished, somebody else's."""

import asyncio

import pytest

from streamer.errors import NotFound
from streamer.jobs import lifecycle
from streamer.jobs.dispatch import Kind
from streamer.jobs.lifecycle import Transition
from streamer.jobs.model import Job, Status
from tests.support.jobs import DAY_MS, OOPS
from tests.support.store import Scene


@pytest.mark.parametrize("delay_ms", [0, 5_000])
async def test_what_waits_is_cancelled_at_once(scene: Scene, delay_ms: int) -> None:
    waiting = await scene.submit(delay_ms=delay_ms)
    scene.clock.advance(10)
    job = await scene.cancel(waiting)
    assert (job.status, job.ended_ms, job.entry, job.due_ms) == (Status.CANCELLED, scene.clock(), None, None)
    assert job.error is not None
    assert job.error.code == "CANCELLED"
    assert job.seq == 1
    assert await scene.row(job) == job
    assert [await scene.index(kind) for kind in Kind] == [{}, {}, {}, {}]


async def test_what_waits_for_its_retry_is_cancelled_after_what_was_said(scene: Scene) -> None:
    running = await scene.running(max_retries=1)
    await scene.store.requests.retry(running, OOPS, 7, scene.clock() + 1_000)
    job = await scene.cancel(running)
    assert (job.status, job.attempt, job.seq, job.due_ms) == (Status.CANCELLED, 1, 8, None)


async def test_what_runs_is_asked_to_stop(scene: Scene) -> None:
    running = await scene.running()
    asked = await scene.cancel(running)
    assert (asked.status, asked.owner, asked.cancel_requested_ms) == (Status.PROCESSING, "session-a", scene.clock())
    assert await scene.row(running) == asked


async def test_asking_twice_keeps_the_first_time(scene: Scene) -> None:
    asked = await scene.cancel(await scene.running())
    scene.clock.advance(500)
    assert await scene.cancel(asked) == asked


@pytest.mark.parametrize("ended", ["complete", "fail", "cancel"])
async def test_what_is_finished_stays_as_it_is(scene: Scene, ended: str) -> None:
    if ended == "cancel":
        done = await scene.cancel(await scene.submit())
    elif ended == "fail":
        done = await scene.store.requests.fail(await scene.running(), OOPS, 1)
    else:
        done = await scene.store.requests.complete(await scene.running(), b"1", 1)
    scene.clock.advance(500)
    assert await scene.cancel(done) == done
    assert await scene.row(done) == done


@pytest.mark.parametrize("running", [True, False])
async def test_somebody_elses_request_is_not_there(scene: Scene, running: bool) -> None:
    job = await scene.running() if running else await scene.submit()
    for tenant, user in ((scene.tenant, "eve"), ("evil", scene.user), (scene.user, scene.tenant)):
        with pytest.raises(NotFound):
            await scene.store.requests.cancel(tenant, user, job.client_id)
    assert await scene.row(job) == job


async def test_an_unknown_request_is_not_there(scene: Scene) -> None:
    with pytest.raises(NotFound):
        await scene.store.requests.cancel(scene.tenant, scene.user, "never")


async def test_what_has_expired_is_not_there(scene: Scene) -> None:
    job = await scene.cancel(await scene.submit())
    scene.clock.advance(7 * DAY_MS + 1_000)
    with pytest.raises(NotFound):
        await scene.cancel(job)


async def test_a_job_that_goes_back_under_the_hands_of_its_cancel(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ran when the cancel looked, and waits when the cancel asks it to stop: then it is cancelled as it waits."""
    running = await scene.running()
    apply = scene.rows.update_status
    asked: list[str] = []

    async def release_first(job_id: str, transition: Transition) -> Job:
        asked.append(transition.name)
        if asked == ["cancel_waiting", "request_cancel"]:
            await apply(job_id, lifecycle.release(running))
        return await apply(job_id, transition)

    monkeypatch.setattr(scene.rows, "update_status", release_first)
    assert (await scene.cancel(running)).status is Status.CANCELLED
    assert asked == ["cancel_waiting", "request_cancel", "cancel_waiting"]


async def test_cancel_and_claim_at_once(scene: Scene) -> None:
    """Either the claim finds nothing, or the cancel finds a running job: never both, never neither."""
    for number in range(10):
        job = await scene.submit(f"r{number}")
        claim = scene.store.requests.claim(job.job_id, scene.queue, "s")
        claimed, cancelled = await asyncio.gather(claim, scene.cancel(job))
        row = await scene.row(job)
        assert (claimed is None) is (row.status is Status.CANCELLED)
        assert (row.cancel_requested_ms is not None) is (claimed is not None)
        assert cancelled.status is row.status


async def test_cancel_and_complete_at_once(scene: Scene) -> None:
    for number in range(10):
        running = await scene.running(f"r{number}")
        done, seen = await asyncio.gather(scene.store.requests.complete(running, b"1", 1), scene.cancel(running))
        assert done.status is Status.COMPLETED
        assert seen.status in (Status.COMPLETED, Status.PROCESSING)
        assert (await scene.row(running)).status is Status.COMPLETED
