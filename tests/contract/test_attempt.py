"""What the owner of an attempt reports, and how everybody else is kept from it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from streamer.errors import Fenced
from streamer.jobs.dispatch import Kind
from streamer.jobs.model import Failure, Job, Progress, Status
from streamer.store.base import RequestQueue
from tests.support.jobs import OOPS
from tests.support.store import Scene

Verb = Callable[[RequestQueue, Job, int], Awaitable[Job]]

VERBS: dict[str, Verb] = {
    "save_progress": lambda queue, job, seq: queue.save_progress(job, Progress(50), seq),
    "save_checkpoint": lambda queue, job, seq: queue.save_checkpoint(job, b"{}", seq, chunks=1),
    "complete": lambda queue, job, seq: queue.complete(job, b'"mine"', seq),
    "retry": lambda queue, job, seq: queue.retry(job, OOPS, seq, job.created_ms),
    "fail": lambda queue, job, seq: queue.fail(job, OOPS, seq),
    "cancelled": lambda queue, job, seq: queue.cancelled(job, seq),
    "release": lambda queue, job, _: queue.release(job),
    "lost": lambda queue, job, _: queue.lost(job),
}
WITH_SEQ = sorted(VERBS.keys() - {"release", "lost", "save_progress", "save_checkpoint"})


async def test_progress_is_kept(scene: Scene) -> None:
    running = await scene.running()
    progress = Progress(33.25, "Reading ✓", {"rows": 1200, "nested": [None, {"a": 0.1}]})
    job = await scene.store.requests.save_progress(running, progress, 4)
    assert (job.progress, job.seq, job.status) == (progress, 4, Status.PROCESSING)
    assert await scene.row(job) == job


async def test_progress_shows_routes_and_a_requested_cancel(scene: Scene) -> None:
    running = await scene.running(connection="c1")
    await scene.store.requests.attach(running.job_id, scene.tenant, scene.user, "c2")
    await scene.cancel(running)
    job = await scene.store.requests.save_progress(running, Progress(1), 1)
    assert job.routes == {"c1", "c2"}
    assert job.cancel_requested_ms == scene.clock()


async def test_older_progress_never_replaces_newer(scene: Scene) -> None:
    running = await scene.running()
    newer = await scene.store.requests.save_progress(running, Progress(50), 5)
    assert await scene.store.requests.save_progress(running, Progress(10), 3) == newer
    assert await scene.row(running) == newer


async def test_complete(scene: Scene) -> None:
    running = await scene.running()
    scene.clock.advance(90)
    job = await scene.store.requests.complete(running, b'{"url":"x"}', 7, chunks=3)
    assert (job.status, job.result, job.seq, job.chunks) == (Status.COMPLETED, b'{"url":"x"}', 7, 3)
    assert (job.owner, job.entry, job.error, job.ended_ms) == (None, None, None, scene.clock())
    assert await scene.row(job) == job
    assert [await scene.index(kind) for kind in Kind] == [{}, {}, {}, {}]


async def test_a_result_clears_the_error_of_an_earlier_attempt(scene: Scene) -> None:
    running = await scene.running(max_retries=1)
    await scene.store.requests.retry(running, OOPS, 2, scene.clock())
    assert (await scene.store.requests.complete(await scene.claim(running), b"1", 1)).error is None


async def test_fail_makes_a_dead_letter(scene: Scene) -> None:
    running = await scene.running(max_retries=3)
    error = Failure("NO_DATA", "Nichts da ✗", {"errors": [{"loc": ["a", 1]}]}, retryable=True)
    job = await scene.store.requests.fail(running, error, 7)
    assert (job.status, job.error, job.seq, job.owner) == (Status.FAILED, error, 7, None)
    assert await scene.row(job) == job
    assert await scene.index(Kind.RUNNING) == {}
    assert await scene.index(Kind.DEAD) == {job.job_id: job.entry}


async def test_retry_sets_a_timer_and_costs_a_retry(scene: Scene) -> None:
    running = await scene.running(max_retries=2)
    due_ms = scene.clock() + 2_500
    job = await scene.store.requests.retry(running, OOPS, 3, due_ms)
    assert (job.status, job.retry_count, job.due_ms, job.error) == (Status.RETRYING, 1, due_ms, OOPS)
    assert (job.owner, job.attempt, job.seq) == (None, 1, 3)
    assert await scene.row(job) == job
    assert await scene.index(Kind.TIMER) == {job.job_id: job.entry}
    assert await scene.index(Kind.RUNNING) == {}


async def test_retry_without_retries_left_fails(scene: Scene) -> None:
    running = await scene.running(max_retries=1)
    await scene.store.requests.retry(running, OOPS, 1, scene.clock())
    job = await scene.store.requests.retry(await scene.claim(running), OOPS, 3, scene.clock())
    assert (job.status, job.retry_count, job.error, job.seq) == (Status.FAILED, 1, OOPS, 3)


@pytest.mark.parametrize("max_retries", [0, 3])
@pytest.mark.parametrize("knows", [True, False])
async def test_retry_after_a_requested_cancel_is_cancelled(scene: Scene, max_retries: int, knows: bool) -> None:
    running = await scene.running(max_retries=max_retries)
    seen = await scene.cancel(running)
    job = await scene.store.requests.retry(seen if knows else running, OOPS, 3, scene.clock())
    assert (job.status, job.seq, job.entry) == (Status.CANCELLED, 3, None)
    assert job.error is not None
    assert job.error.code == "CANCELLED"


async def test_a_cancelled_outcome_sorts_after_what_was_said(scene: Scene) -> None:
    running = await scene.running(max_retries=3)
    await scene.store.requests.save_progress(running, Progress(50), 9)
    await scene.cancel(running)
    job = await scene.store.requests.retry(running, OOPS, 3, scene.clock())
    assert (job.status, job.seq) == (Status.CANCELLED, 9)


async def test_complete_wins_over_a_requested_cancel(scene: Scene) -> None:
    running = await scene.running()
    await scene.cancel(running)
    assert (await scene.store.requests.complete(running, b"1", 1)).status is Status.COMPLETED


async def test_cancelled_after_a_requested_cancel(scene: Scene) -> None:
    running = await scene.cancel(await scene.running())
    job = await scene.store.requests.cancelled(running, 4)
    assert (job.status, job.seq, job.owner, job.entry) == (Status.CANCELLED, 4, None, None)
    assert await scene.row(job) == job


async def test_cancelled_without_a_request_is_refused(scene: Scene) -> None:
    running = await scene.running()
    with pytest.raises(Fenced):
        await scene.store.requests.cancelled(running, 4)
    assert await scene.row(running) == running


# --- fences ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", VERBS)
async def test_an_older_attempt_is_fenced(scene: Scene, verb: str) -> None:
    zombie = await scene.running(max_retries=9)
    await scene.store.requests.lost(zombie)
    owner = await scene.claim(zombie, "session-b")
    with pytest.raises(Fenced):
        await VERBS[verb](scene.store.requests, zombie, 9)
    assert await scene.row(owner) == owner


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - {"release", "lost"}))
async def test_an_attempt_that_was_given_back_is_fenced(scene: Scene, verb: str) -> None:
    zombie = await scene.running(max_retries=9)
    waiting = await scene.store.requests.lost(zombie)
    with pytest.raises(Fenced):
        await VERBS[verb](scene.store.requests, zombie, waiting.seq)
    assert await scene.row(waiting) == waiting


@pytest.mark.parametrize("verb", sorted(VERBS.keys() - {"release", "lost"}))
async def test_a_job_that_is_not_there_is_fenced(scene: Scene, verb: str) -> None:
    ghost = replace(await scene.running(), job_id="0" * 32)
    with pytest.raises(Fenced):
        await VERBS[verb](scene.store.requests, ghost, 1)


@pytest.mark.parametrize("verb", ["complete", "fail", "retry"])
async def test_a_seq_that_is_behind_is_fenced(scene: Scene, verb: str) -> None:
    running = await scene.running(max_retries=9)
    told = await scene.store.requests.save_progress(running, Progress(1), 5)
    with pytest.raises(Fenced):
        await VERBS[verb](scene.store.requests, running, 4)
    assert await scene.row(running) == told
    await VERBS[verb](scene.store.requests, running, 5)


@pytest.mark.parametrize("verb", ["save_progress", "save_checkpoint"])
async def test_a_report_after_the_outcome_is_fenced(scene: Scene, verb: str) -> None:
    running = await scene.running()
    done = await scene.store.requests.complete(running, b"1", 1)
    with pytest.raises(Fenced):
        await VERBS[verb](scene.store.requests, running, 9)
    assert await scene.row(running) == done


@pytest.mark.parametrize("verb", WITH_SEQ)
async def test_an_outcome_is_written_once_and_told_again(scene: Scene, verb: str) -> None:
    running = await scene.running()
    done = await scene.store.requests.complete(running, b'"first"', 2)
    assert await VERBS[verb](scene.store.requests, running, 9) == done
    assert await scene.row(running) == done
