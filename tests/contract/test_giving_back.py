"""release and lost: an attempt that does not end itself."""

import pytest

from streamer.errors import Fenced
from streamer.jobs.dispatch import Kind
from streamer.jobs.lifecycle import SEQ_AFTER_LOSS
from streamer.jobs.model import Progress, Status
from tests.support.jobs import OOPS
from tests.support.store import Scene


@pytest.mark.parametrize(("verb", "cost"), [("release", 0), ("lost", 1)])
async def test_the_job_goes_back_to_its_old_place(scene: Scene, verb: str, cost: int) -> None:
    waiting = await scene.submit(max_retries=2)
    running = await scene.claim(waiting)
    told = await scene.store.requests.save_progress(running, Progress(40), 6)
    scene.clock.advance(60_000)
    back = await getattr(scene.store.requests, verb)(told)
    assert (back.status, back.owner, back.attempt, back.retry_count) == (Status.PENDING, None, 1, cost)
    assert back.entry == waiting.entry
    assert back.seq == 6 + SEQ_AFTER_LOSS
    assert await scene.row(back) == back
    assert await scene.index(Kind.READY) == {back.job_id: waiting.entry}
    assert await scene.index(Kind.RUNNING) == {}


@pytest.mark.parametrize("verb", ["release", "lost"])
async def test_what_is_said_next_sorts_after_what_was_said_unseen(scene: Scene, verb: str) -> None:
    """The giver may hold an older row than the worker's last write: its seq is added to, not replaced."""
    running = await scene.running(max_retries=2)
    await scene.store.requests.save_progress(running, Progress(40), 500)
    assert (await getattr(scene.store.requests, verb)(running)).seq == 500 + SEQ_AFTER_LOSS


@pytest.mark.parametrize("verb", ["release", "lost"])
async def test_the_next_attempt_has_the_next_number(scene: Scene, verb: str) -> None:
    running = await scene.running(max_retries=2)
    await getattr(scene.store.requests, verb)(running)
    again = await scene.claim(running, "session-b")
    assert (again.attempt, again.seq, again.owner) == (2, 0, "session-b")


async def test_release_needs_no_retries(scene: Scene) -> None:
    running = await scene.running(max_retries=0)
    assert (await scene.store.requests.release(running)).status is Status.PENDING


async def test_lost_without_retries_left_fails(scene: Scene) -> None:
    running = await scene.running(max_retries=0)
    await scene.store.requests.save_progress(running, Progress(40), 6)
    job = await scene.store.requests.lost(running)
    assert job.status is Status.FAILED
    assert job.error is not None
    assert job.error.code == "WORKER_LOST"
    assert job.seq >= SEQ_AFTER_LOSS
    assert list(await scene.index(Kind.DEAD)) == [job.job_id]


@pytest.mark.parametrize("max_retries", [0, 3])
@pytest.mark.parametrize("knows", [True, False])
@pytest.mark.parametrize("verb", ["release", "lost"])
async def test_after_a_requested_cancel_it_is_cancelled(scene: Scene, verb: str, knows: bool, max_retries: int) -> None:
    running = await scene.running(max_retries=max_retries)
    seen = await scene.cancel(running)
    job = await getattr(scene.store.requests, verb)(seen if knows else running)
    assert (job.status, job.entry, job.owner) == (Status.CANCELLED, None, None)
    assert job.seq >= SEQ_AFTER_LOSS
    assert await scene.row(job) == job


@pytest.mark.parametrize("verb", ["release", "lost"])
async def test_a_job_that_others_gave_back_already(scene: Scene, verb: str) -> None:
    running = await scene.running(max_retries=3)
    back = await scene.store.requests.lost(running)
    assert await getattr(scene.store.requests, verb)(running) == back
    assert (await scene.row(running)).retry_count == 1


@pytest.mark.parametrize("verb", ["release", "lost"])
async def test_an_attempt_that_failed_meanwhile_is_not_given_back(scene: Scene, verb: str) -> None:
    running = await scene.running(max_retries=3)
    retrying = await scene.store.requests.retry(running, OOPS, 2, scene.clock())
    with pytest.raises(Fenced):
        await getattr(scene.store.requests, verb)(running)
    assert await scene.row(running) == retrying


@pytest.mark.parametrize("verb", ["release", "lost"])
async def test_an_attempt_that_completed_meanwhile_keeps_its_result(scene: Scene, verb: str) -> None:
    running = await scene.running(max_retries=3)
    done = await scene.store.requests.complete(running, b"1", 2)
    assert await getattr(scene.store.requests, verb)(running) == done


@pytest.mark.parametrize("verb", ["release", "lost"])
async def test_the_next_owner_is_not_disturbed(scene: Scene, verb: str) -> None:
    dead = await scene.running(max_retries=3)
    await scene.store.requests.lost(dead)
    owner = await scene.claim(dead, "session-b")
    with pytest.raises(Fenced):
        await getattr(scene.store.requests, verb)(dead)
    assert await scene.row(owner) == owner


async def test_a_poisoned_payload_ends_as_a_dead_letter(scene: Scene) -> None:
    job = await scene.submit(max_retries=2)
    for _ in range(3):
        job = await scene.store.requests.lost(await scene.claim(job))
    assert (job.status, job.attempt, job.retry_count) == (Status.FAILED, 3, 2)
