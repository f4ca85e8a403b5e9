"""How long rows live: for ever without an outcome, then for their days; no reader trusts a late deletion."""

import pytest

from streamer.jobs import ids
from streamer.jobs.model import Job, Progress
from streamer.store.base import Store
from streamer.store.queue import Retention
from tests.support.jobs import DAY_MS, OOPS, Clock
from tests.support.store import Engine, Scene


async def outcome(scene: Scene, kind: str) -> Job:
    if kind == "cancel":
        return await scene.cancel(await scene.submit())
    if kind == "expire":
        job = await scene.submit(start_within_ms=1)
        scene.clock.advance(1_000)
        expired = await scene.store.requests.claim(job.job_id, scene.queue, "s")
        assert expired is not None
        return expired
    running = await scene.running()
    if kind == "fail":
        return await scene.store.requests.fail(running, OOPS, 1)
    return await scene.store.requests.complete(running, b"1", 1)


async def test_nothing_expires_before_its_outcome(scene: Scene) -> None:
    waiting = await scene.submit("r1")
    running = await scene.running("r2", max_retries=3)
    told = await scene.store.requests.save_progress(running, Progress(1), 1)
    retrying = await scene.store.requests.retry(await scene.running("r3", max_retries=3), OOPS, 1, scene.clock())
    back = await scene.store.requests.release(await scene.running("r4"))
    assert {job.expires_ms for job in (waiting, told, retrying, back)} == {None}
    scene.clock.advance(400 * DAY_MS)
    for job in (waiting, told, retrying, back):
        assert await scene.row(job) == job


@pytest.mark.parametrize(("kind", "days"), [("complete", 7), ("cancel", 7), ("fail", 14), ("expire", 14)])
async def test_an_outcome_is_kept_for_its_days_and_no_longer(scene: Scene, kind: str, days: int) -> None:
    job = await outcome(scene, kind)
    assert job.expires_ms == scene.clock() + days * DAY_MS
    scene.clock.advance(days * DAY_MS - 1)
    assert await scene.row(job) == job
    scene.clock.advance(1)
    assert await scene.store.requests.get(job.job_id) is None
    assert await scene.store.requests.get_many([job.job_id]) == {}
    assert await scene.store.requests.list_by_user(scene.tenant, scene.user, 10) == []


async def test_the_days_are_given_when_the_store_is_opened(engine: Engine, clock: Clock) -> None:
    retention = Retention(outcome_ms=60_000, dead_letter_ms=120_000)
    async with engine.open(clock=clock, retention=retention) as store:
        scene = Scene(store, clock)
        assert (await outcome(scene, "complete")).expires_ms == clock() + 60_000
        again = Scene(store, clock)
        assert (await outcome(again, "fail")).expires_ms == clock() + 120_000


@pytest.mark.parametrize("kind", ["complete", "cancel", "fail"])
async def test_an_expired_id_is_free_again(scene: Scene, kind: str) -> None:
    old = await outcome(scene, kind)
    scene.clock.advance(15 * DAY_MS)
    enqueued = await scene.store.requests.enqueue(scene.submission("r1", payload=b'"quite another"'))
    assert enqueued.created
    new = enqueued.job
    assert (new.job_id, new.attempt, new.result, new.error, new.expires_ms) == (old.job_id, 0, None, None, None)
    assert await scene.row(new) == new
    assert (await scene.claim(new)).attempt == 1
    assert await scene.store.requests.dead_letters(scene.queue, 10) == []


async def test_an_id_is_not_free_a_moment_earlier(scene: Scene) -> None:
    old = await outcome(scene, "complete")
    scene.clock.advance(7 * DAY_MS - 1)
    assert not (await scene.store.requests.enqueue(scene.submission("r1"))).created
    assert await scene.row(old) == old


async def test_a_row_that_never_was(store: Store) -> None:
    nobody = ids.job_id("nobody", "nobody", "r1")
    assert await store.requests.get(nobody) is None
    assert await store.requests.get_many([nobody, nobody]) == {}
    assert await store.requests.get_many([]) == {}
