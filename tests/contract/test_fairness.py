"""The order in which the index shows what waits, whoever submitted it."""

import asyncio
from collections.abc import Sequence

from streamer.jobs.dispatch import Kind
from streamer.jobs.fairness import OFFSET
from streamer.jobs.model import Job, Priority
from tests.support.jobs import Clock
from tests.support.store import Engine, Scene


async def burst(scene: Scene, tenant: str, count: int, **fields: object) -> list[Job]:
    """So many jobs of a tenant, in the order of their places."""
    named = (scene.submit(f"{tenant}{number}", tenant=f"{scene.tenant}-{tenant}", **fields) for number in range(count))
    return sorted(await asyncio.gather(*named), key=lambda job: job.virtual_time)


async def tenants_in_order(scene: Scene) -> Sequence[str]:
    entries = await scene.index(Kind.READY)
    rows = await scene.store.requests.get_many(entries.keys())
    ordered = sorted(rows.values(), key=lambda job: (job.virtual_time, job.created_ms, job.tenant))
    return [job.tenant.rsplit("-", 1)[1] for job in ordered]


async def test_tenants_take_turns_however_many_jobs_one_has(scene: Scene) -> None:
    await burst(scene, "a", 30)
    scene.clock.advance(1)
    await burst(scene, "b", 5)
    assert await tenants_in_order(scene) == ["a", "b"] * 5 + ["a"] * 25


async def test_who_comes_later_begins_where_the_queue_is(scene: Scene) -> None:
    for job in (await burst(scene, "a", 30))[:20]:
        await scene.claim(job)
    scene.clock.advance(1)
    await burst(scene, "b", 5)
    assert (await tenants_in_order(scene))[:10] == ["b", "a"] * 5


async def test_a_tenant_whose_burst_has_drained_is_not_punished(scene: Scene) -> None:
    for job in await burst(scene, "a", 20):
        await scene.claim(job)
    scene.clock.advance(1)
    await burst(scene, "b", 5)
    scene.clock.advance(1)
    again = await scene.submit("again", tenant=f"{scene.tenant}-a")
    assert (await tenants_in_order(scene)) == ["b", "b", "a", "b", "b", "b"]
    assert again.virtual_time == (await scene.submit("new", tenant="new")).virtual_time + 1  # its last one runs now


async def test_high_overtakes_and_low_lets_pass(scene: Scene) -> None:
    (*_, last) = await burst(scene, "a", 5)
    high = await scene.submit("high", tenant=f"{scene.tenant}-a", priority=Priority.HIGH)
    low = await scene.submit("low", tenant=f"{scene.tenant}-a", priority=Priority.LOW)
    assert high.virtual_time < last.virtual_time < low.virtual_time
    assert low.virtual_time == last.virtual_time + 1 + OFFSET[Priority.LOW]


async def test_after_all_processes_were_gone_old_and_new_still_share(engine: Engine, scene: Scene) -> None:
    waiting = await burst(scene, "a", 30)
    for job in waiting[:20]:
        await scene.claim(job)
    await scene.store.turns.save()
    async with engine.open(clock=Clock(scene.clock.advance(60_000))) as again:
        after = Scene(again, scene.clock, scene.tenant, scene.user, scene.queue)
        await burst(after, "b", 5)
    assert [tenant for tenant in (await tenants_in_order(scene))[:10] if tenant == "b"] == ["b"] * 5


async def test_nodes_learn_from_workers_how_far_the_queue_is(engine: Engine, scene: Scene) -> None:
    async with engine.open(clock=scene.clock) as node:
        first = Scene(node, scene.clock, scene.tenant, scene.user, scene.queue)
        waiting = await burst(first, "a", 30)
        for job in waiting[:20]:
            await scene.claim(job)
        node.turns.learn(scene.store.turns.told())
        assert (await first.submit("b", tenant="b")).virtual_time == waiting[19].virtual_time


async def test_delayed_jobs_wait_for_their_time_and_take_nobodys_turn(scene: Scene) -> None:
    await burst(scene, "a", 30, delay_ms=60_000)
    ready = await scene.submit("ready", tenant=f"{scene.tenant}-a")
    assert ready.virtual_time == (await scene.submit("other", tenant=f"{scene.tenant}-b")).virtual_time
