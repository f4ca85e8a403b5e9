"""dead_letters and redrive: what failed for good, and how it runs again."""

import asyncio
from typing import Any

import pytest

from streamer.errors import NotFound
from streamer.jobs.dispatch import Kind
from streamer.jobs.model import Job, Status
from streamer.store import administration
from tests.support.jobs import DAY_MS, OOPS
from tests.support.store import Scene


async def failed(scene: Scene, client_id: str = "r1", **fields: Any) -> Job:
    return await scene.store.requests.fail(await scene.running(client_id, **fields), OOPS, 1)


async def test_dead_letters_are_listed_the_earliest_first(scene: Scene) -> None:
    dead = []
    for number in range(12):
        dead.append(await failed(scene, f"r{number}"))
        scene.clock.advance(10)
    assert await scene.store.requests.dead_letters(scene.queue, 100) == dead
    assert await scene.store.requests.dead_letters(scene.queue, 3) == dead[:3]
    assert await scene.store.requests.dead_letters(f"{scene.queue}-other", 100) == []


async def test_a_redrive_is_a_new_job(scene: Scene) -> None:
    dead = await failed(scene, payload=b'{"big":"%s"}' % (b"x" * 50_000), max_retries=2, durable=True)
    again = await scene.store.requests.redrive(dead.job_id)
    assert again.job_id != dead.job_id
    assert (again.status, again.attempt, again.redrive_of) == (Status.PENDING, 0, dead.job_id)
    assert (again.tenant, again.user, again.action, again.queue) == (dead.tenant, dead.user, dead.action, dead.queue)
    assert (again.max_retries, again.durable) == (2, True)
    load = scene.store.requests.load
    assert await load(again, again.payload) == await load(dead, dead.payload)
    old = await scene.row(dead)
    assert (old.status, old.redriven_as) == (Status.FAILED, again.job_id)
    assert (await scene.claim(again)).attempt == 1


async def test_a_redrive_again_is_the_same_job(scene: Scene) -> None:
    dead = await failed(scene)
    redrives = (scene.store.requests.redrive(dead.job_id) for _ in range(5))
    assert len({job.job_id for job in await asyncio.gather(*redrives)}) == 1
    assert len(await scene.index(Kind.READY)) == 1


async def test_a_redrive_again_finds_what_became_of_it(scene: Scene) -> None:
    dead = await failed(scene)
    again = await scene.store.requests.redrive(dead.job_id)
    done = await scene.store.requests.complete(await scene.claim(again), b"1", 1)
    assert await scene.store.requests.redrive(dead.job_id) == done


async def test_a_redrive_that_failed_is_a_dead_letter_itself(scene: Scene) -> None:
    dead = await failed(scene)
    again = await scene.store.requests.redrive(dead.job_id)
    dead_again = await scene.store.requests.fail(await scene.claim(again), OOPS, 1)
    third = await scene.store.requests.redrive(dead_again.job_id)
    assert len({dead.job_id, again.job_id, third.job_id}) == 3


@pytest.mark.parametrize("status", ["waiting", "running", "complete", "cancelled"])
async def test_only_a_dead_letter_is_redriven(scene: Scene, status: str) -> None:
    job = await scene.submit()
    if status in ("running", "complete"):
        job = await scene.claim(job)
    if status == "complete":
        await scene.store.requests.complete(job, b"1", 1)
    if status == "cancelled":
        await scene.cancel(job)
    with pytest.raises(NotFound):
        await scene.store.requests.redrive(job.job_id)


async def test_an_unknown_job_is_not_redriven(scene: Scene) -> None:
    with pytest.raises(NotFound):
        await scene.store.requests.redrive("0" * 32)


async def test_an_expired_dead_letter_is_neither_listed_nor_redriven(scene: Scene) -> None:
    dead = await failed(scene)
    scene.clock.advance(14 * DAY_MS + 1_000)
    assert await scene.store.requests.dead_letters(scene.queue, 10) == []
    with pytest.raises(NotFound):
        await scene.store.requests.redrive(dead.job_id)


async def test_a_redriven_dead_letter_leaves_the_list(scene: Scene) -> None:
    dead, other = await failed(scene, "r1"), await failed(scene, "r2")
    await scene.store.requests.redrive(dead.job_id)
    assert set(await scene.index(Kind.DEAD)) == {other.job_id}
    assert await scene.store.requests.dead_letters(scene.queue, 10) == [other]


async def test_all_dead_letters_of_an_action_are_redriven(scene: Scene) -> None:
    dead = [await failed(scene, f"r{number}") for number in range(3)]
    await failed(scene, "other", action="other")
    scene.clock.advance(1)
    redrives = [each async for each in scene.store.admin.redrive_all(scene.queue, "report")]
    assert {each.dead.job_id for each in redrives} == {job.job_id for job in dead}
    for each in redrives:
        assert each.again is not None
        assert (await scene.row(each.dead)).redriven_as == each.again.job_id
    assert len(await scene.index(Kind.READY)) == 3
    assert len(await scene.index(Kind.DEAD)) == 1


async def test_redriving_all_goes_on_where_it_was_interrupted(scene: Scene) -> None:
    dead = {(await failed(scene, f"r{number}")).job_id for number in range(4)}
    scene.clock.advance(1)
    first = await anext(scene.store.admin.redrive_all(scene.queue, "report"))
    rest = {each.dead.job_id async for each in scene.store.admin.redrive_all(scene.queue, "report")}
    assert rest == dead - {first.dead.job_id}


async def test_what_fails_again_while_all_are_redriven_is_left_alone(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that fails at once would otherwise be redriven for ever."""
    monkeypatch.setattr(administration, "PAGE", 1)
    await failed(scene)
    scene.clock.advance(1)
    redrives = 0
    async for each in scene.store.admin.redrive_all(scene.queue, "report"):
        assert each.again is not None
        await scene.store.requests.fail(await scene.claim(each.again), OOPS, 1)
        redrives += 1
    assert redrives == 1
    assert len(await scene.index(Kind.DEAD)) == 1


async def test_a_dead_letter_whose_payload_is_gone_is_told_apart(scene: Scene) -> None:
    dead = await failed(scene, payload=b'"%s"' % (b"x" * 50_000))
    scene.clock.advance(1)
    await scene.store.admin.erase_beside([dead])
    assert [each.again async for each in scene.store.admin.redrive_all(scene.queue, "report")] == [None]
    with pytest.raises(NotFound):
        await scene.store.requests.redrive(dead.job_id)
