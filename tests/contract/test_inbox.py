"""The inbox: durable requests of a user, from before they are stored until their outcome is acknowledged."""

import asyncio
from collections.abc import Sequence

import pytest

from streamer.errors import PayloadTooLarge
from streamer.jobs.model import Job
from streamer.store.queue import MAX_BODY_BYTES
from tests.support.jobs import DAY_MS, OOPS
from tests.support.store import Scene


async def inbox(scene: Scene, limit: int = 100) -> Sequence[str]:
    return await scene.store.inbox.list(scene.tenant, scene.user, limit)


async def test_a_durable_request_is_in_the_inbox_until_it_is_taken_off(scene: Scene) -> None:
    job = await scene.submit(durable=True)
    assert await inbox(scene) == [job.job_id]
    await scene.store.requests.complete(await scene.claim(job), b"1", 1)
    assert await inbox(scene) == [job.job_id]
    await scene.store.inbox.remove(scene.tenant, scene.user, job.job_id)
    assert await inbox(scene) == []
    await scene.store.inbox.remove(scene.tenant, scene.user, job.job_id)  # acknowledged twice


async def test_another_request_is_not(scene: Scene) -> None:
    await scene.submit()
    assert await inbox(scene) == []


async def test_the_entry_is_there_before_the_row(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that dies in between leaves an entry without a row, never a row that its user does not find."""
    present: list[Sequence[str]] = []
    insert = scene.rows.insert

    async def watched(job: Job, now_ms: int) -> Job | None:
        present.append(await inbox(scene))
        return await insert(job, now_ms)

    monkeypatch.setattr(scene.rows, "insert", watched)
    job = await scene.submit(durable=True)
    assert present == [[job.job_id]]


async def test_the_same_request_again_has_one_entry(scene: Scene) -> None:
    jobs = await asyncio.gather(*(scene.submit(durable=True) for _ in range(5)))
    assert await inbox(scene) == [jobs[0].job_id]


async def test_what_is_refused_for_its_size_has_no_entry(scene: Scene) -> None:
    with pytest.raises(PayloadTooLarge):
        await scene.submit(durable=True, payload=b"0" * (MAX_BODY_BYTES + 1))
    assert await inbox(scene) == []


async def test_the_redrive_of_a_durable_request_is_durable(scene: Scene) -> None:
    dead = await scene.store.requests.fail(await scene.running(durable=True), OOPS, 1)
    again = await scene.store.requests.redrive(dead.job_id)
    assert set(await inbox(scene)) == {dead.job_id, again.job_id}


async def test_each_user_of_each_tenant_has_an_own_inbox(scene: Scene) -> None:
    job = await scene.submit(durable=True)
    for tenant, user in ((scene.tenant, "bob"), ("other", scene.user), (scene.user, scene.tenant)):
        assert await scene.store.inbox.list(tenant, user, 100) == []
        await scene.store.inbox.remove(tenant, user, job.job_id)
    assert await inbox(scene) == [job.job_id]


async def test_only_so_many_are_listed(scene: Scene) -> None:
    jobs = [await scene.submit(f"r{number}", durable=True) for number in range(7)]
    assert await inbox(scene) == sorted(job.job_id for job in jobs)
    assert len(await inbox(scene, limit=3)) == 3


async def test_what_nobody_acknowledges_is_gone_after_thirty_days(scene: Scene) -> None:
    old = await scene.submit("r1", durable=True)
    scene.clock.advance(DAY_MS)
    new = await scene.submit("r2", durable=True)
    scene.clock.advance(29 * DAY_MS - 1)
    assert set(await inbox(scene)) == {old.job_id, new.job_id}
    scene.clock.advance(1)
    assert await inbox(scene) == [new.job_id]
    assert await inbox(scene, limit=1) == [new.job_id]  # what has expired takes nobody's place
