"""attach, reroute and watched: which connections hear of a job."""

import asyncio
from dataclasses import replace

import pytest

from streamer.errors import NotFound
from streamer.jobs.model import MAX_ROUTES
from streamer.store.base import RoutesFull
from tests.support.jobs import DAY_MS, OOPS
from tests.support.store import Scene


@pytest.mark.parametrize("running", [True, False])
async def test_attach_adds_a_connection(scene: Scene, running: bool) -> None:
    job = await scene.running() if running else await scene.submit()
    attached = await scene.store.requests.attach(job.job_id, scene.tenant, scene.user, "c1")
    assert attached.routes == {"c1"}
    assert attached.status is job.status
    assert await scene.store.requests.attach(job.job_id, scene.tenant, scene.user, "c1") == attached
    assert await scene.row(job) == attached


async def test_what_waits_for_its_retry_can_be_watched(scene: Scene) -> None:
    running = await scene.running(max_retries=1)
    await scene.store.requests.retry(running, OOPS, 1, scene.clock())
    assert (await scene.store.requests.attach(running.job_id, scene.tenant, scene.user, "c1")).routes == {"c1"}


async def test_attach_to_what_is_finished_gives_the_outcome(scene: Scene) -> None:
    done = await scene.store.requests.complete(await scene.running(connection="c0"), b"1", 1)
    assert await scene.store.requests.attach(done.job_id, scene.tenant, scene.user, "c1") == done


async def test_a_row_remembers_eight_connections(scene: Scene) -> None:
    job = await scene.submit()
    names = [f"c{number}" for number in range(MAX_ROUTES)]
    attach = scene.store.requests.attach
    await asyncio.gather(*(attach(job.job_id, scene.tenant, scene.user, name) for name in names))
    with pytest.raises(RoutesFull) as full:
        await attach(job.job_id, scene.tenant, scene.user, "one more")
    assert full.value.job == await scene.row(job)
    assert full.value.job.routes == set(names)
    assert (await attach(job.job_id, scene.tenant, scene.user, "c3")).routes == set(names)


async def test_of_many_at_once_eight_get_in(scene: Scene) -> None:
    job = await scene.submit()
    attach = scene.store.requests.attach
    attempts = (attach(job.job_id, scene.tenant, scene.user, f"c{number}") for number in range(20))
    answers = await asyncio.gather(*attempts, return_exceptions=True)
    assert sum(isinstance(each, RoutesFull) for each in answers) == 12
    assert len((await scene.row(job)).routes) == MAX_ROUTES


async def test_somebody_elses_job_is_not_there(scene: Scene) -> None:
    job = await scene.submit()
    done = await scene.cancel(await scene.submit("r2"))
    for job_id in (job.job_id, done.job_id, "0" * 32):
        for tenant, user in ((scene.tenant, "eve"), ("evil", scene.user)):
            with pytest.raises(NotFound):
                await scene.store.requests.attach(job_id, tenant, user, "c1")
    assert (await scene.row(job)).routes == frozenset()


async def test_what_has_expired_is_not_there(scene: Scene) -> None:
    job = await scene.cancel(await scene.submit())
    scene.clock.advance(8 * DAY_MS)
    with pytest.raises(NotFound):
        await scene.store.requests.attach(job.job_id, scene.tenant, scene.user, "c1")


async def test_reroute_replaces_the_routes(scene: Scene) -> None:
    job = await scene.submit(connection="c1")
    moved = await scene.store.requests.reroute(job, frozenset({"c2", "c3"}))
    assert moved.routes == {"c2", "c3"}
    emptied = await scene.store.requests.reroute(moved, frozenset())
    assert emptied.routes == frozenset()
    again = await scene.store.requests.reroute(emptied, frozenset({"c4"}))
    assert await scene.row(job) == again
    assert again.routes == {"c4"}


async def test_reroute_gives_way_to_what_others_did_meanwhile(scene: Scene) -> None:
    job = await scene.submit(connection="c1")
    newest = await scene.store.requests.attach(job.job_id, scene.tenant, scene.user, "c2")
    assert await scene.store.requests.reroute(job, frozenset({"c3"})) == newest
    assert await scene.row(job) == newest


async def test_reroute_of_what_is_finished_gives_the_outcome(scene: Scene) -> None:
    running = await scene.running(connection="c1")
    done = await scene.store.requests.complete(running, b"1", 1)
    assert await scene.store.requests.reroute(running, frozenset()) == done


@pytest.mark.parametrize("running", [True, False])
async def test_every_change_of_watchers_is_counted(scene: Scene, running: bool) -> None:
    job = await scene.running() if running else await scene.submit()
    watched = await asyncio.gather(*(scene.store.requests.watched(job) for _ in range(3)))
    assert sorted(each.watch_version for each in watched) == [1, 2, 3]
    assert {each.status for each in watched} == {job.status}
    assert (await scene.row(job)).watch_version == 3


async def test_a_worker_sees_that_watchers_changed_with_its_next_report(scene: Scene) -> None:
    running = await scene.running()
    watched = await scene.store.requests.watched(running)
    assert await scene.store.requests.save_checkpoint(running, b"1", 0) == replace(watched, checkpoint=b"1")


async def test_who_begins_to_watch_what_is_finished_gets_the_outcome(scene: Scene) -> None:
    running = await scene.running()
    done = await scene.store.requests.complete(running, b"1", 1)
    assert await scene.store.requests.watched(running) == done
    assert await scene.row(running) == done


async def test_what_is_not_there_has_no_watchers(scene: Scene) -> None:
    done = await scene.cancel(await scene.submit())
    for absent in (replace(done, job_id="0" * 32), replace(done, user="eve")):
        with pytest.raises(NotFound):
            await scene.store.requests.watched(absent)
    scene.clock.advance(8 * DAY_MS)
    with pytest.raises(NotFound):
        await scene.store.requests.watched(done)
