"""Whose jobs a worker starts first, where more waits than it has slots."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from streamer.context import Context
from streamer.jobs import ids
from streamer.jobs.fairness import OFFSET
from streamer.jobs.model import Job, Priority
from streamer.store.base import Store
from tests.integration.workers.stage import SHORT, FakeNode, Stage
from tests.support.store import Engine
from tests.support.until import until

AT_ONCE = 50
pytestmark = pytest.mark.timeout(180)


async def shown(condition: Callable[[], object]) -> None:
    """Hundreds of jobs take a while on DynamoDB Local."""
    await until(condition, timeout_s=120)


@dataclass
class Crowd:
    """Tenants that submit to one queue of their own. `started`: client ids, in the order in which they started."""

    engine: Engine
    stack: AsyncExitStack
    node: FakeNode
    many: int  # jobs of a big burst: one that this engine takes in quickly
    queue: str = field(default_factory=lambda: f"q-{ids.nonce()[:8]}")
    started: list[str] = field(default_factory=list)

    async def stage(self) -> Stage:
        """New processes: they know nothing but what is stored."""
        store: Store = await self.stack.enter_async_context(self.engine.open())
        settings: dict[str, Any] = {**SHORT, "store": self.engine.url, "queues": (self.queue,), "wakeups": ("sweep",)}
        stage = Stage(store, self.node, settings)
        self.stack.push_async_callback(stage.close)
        stage.action("work", self.work)
        return stage

    async def work(self, ctx: Context) -> None:
        self.started.append(ctx.request_id)

    async def submit(self, stage: Stage, name: str, tenant: str, **fields: Any) -> Job:
        given = {"client_id": name, "tenant": f"{self.queue}-{tenant}", "queue": self.queue, "connection": None}
        return await stage.submit("work", **{**given, **fields})

    async def burst(self, stage: Stage, tenant: str, count: int) -> None:
        for start in range(0, count, AT_ONCE):
            names = [f"{tenant}{number}" for number in range(start, min(start + AT_ONCE, count))]
            await asyncio.gather(*(self.submit(stage, name, tenant) for name in names))

    def has_started(self, tenant: str, count: int) -> bool:
        return sum(name.startswith(tenant) for name in self.started) >= count

    def before_the_last(self, tenant: str) -> int:
        """How many jobs of others started before the last of this tenant did."""
        last = max(index for index, name in enumerate(self.started) if name.startswith(tenant))
        return sum(not name.startswith(tenant) for name in self.started[:last])


@pytest.fixture
async def crowd(engine: Engine) -> AsyncIterator[Crowd]:
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(FakeNode().serving())
        yield Crowd(engine, stack, node, many=5_000 if engine.name == "sqlite" else 500)


async def test_a_burst_of_one_tenant_does_not_keep_another_waiting(crowd: Crowd) -> None:
    stage = await crowd.stage()
    await crowd.burst(stage, "a", crowd.many)
    await crowd.burst(stage, "b", 10)
    worker = await stage.worker(worker_slots=4)
    await shown(lambda: crowd.has_started("b", 10))
    await stage.stop(worker)
    assert crowd.before_the_last("b") < 60


async def test_a_tenant_whose_burst_has_drained_is_served_like_anybody(crowd: Crowd) -> None:
    stage = await crowd.stage()
    await crowd.burst(stage, "a", 60)
    worker = await stage.worker(worker_slots=4)
    await shown(lambda: crowd.has_started("a", 60))
    await stage.stop(worker)
    crowd.started.clear()
    await crowd.burst(stage, "b", 60)
    await crowd.submit(stage, "again", "a")
    worker = await stage.worker(worker_slots=4)
    await shown(lambda: "again" in crowd.started)
    await stage.stop(worker)
    assert crowd.started.index("again") < 30


async def test_high_overtakes(crowd: Crowd) -> None:
    stage = await crowd.stage()
    await crowd.burst(stage, "a", 40)
    await crowd.submit(stage, "high", "b", priority=Priority.HIGH)
    worker = await stage.worker(worker_slots=1)
    await shown(lambda: crowd.started)
    await stage.stop(worker)
    assert crowd.started[0] == "high"


async def test_low_is_started_though_normal_jobs_keep_coming(crowd: Crowd) -> None:
    stage = await crowd.stage()
    coming = 0

    async def work(ctx: Context) -> None:
        nonlocal coming
        crowd.started.append(ctx.request_id)
        coming += 1
        await crowd.submit(stage, f"next{coming}", "b")

    stage.actions.clear()
    stage.action("work", work)
    await crowd.submit(stage, "low", "a", priority=Priority.LOW)
    await crowd.burst(stage, "b", 16)
    worker = await stage.worker(worker_slots=1)
    await shown(lambda: "low" in crowd.started)
    await stage.stop(worker)
    looks = 60  # until the two shards that are looked at are its own
    assert crowd.started.index("low") <= OFFSET[Priority.LOW] + looks


async def test_after_a_restart_of_everything_old_and_new_jobs_share(crowd: Crowd) -> None:
    before = await crowd.stage()
    await crowd.burst(before, "a", 200)
    worker = await before.worker(worker_slots=4)
    await shown(lambda: crowd.has_started("a", 20))
    await before.stop(worker)
    left = 200 - len(crowd.started)
    assert left >= 50, "too few are left for this test"
    crowd.started.clear()
    after = await crowd.stage()
    await crowd.burst(after, "b", 10)
    worker = await after.worker(worker_slots=4)
    await shown(lambda: crowd.has_started("b", 10))
    await after.stop(worker)
    assert crowd.before_the_last("b") <= left - 20  # had they to wait for all that is older, none would be left


async def test_no_more_of_an_action_run_in_a_worker_than_it_says(crowd: Crowd) -> None:
    stage = await crowd.stage()
    running: set[str] = set()
    most, go = 0, asyncio.Event()

    async def rare(ctx: Context) -> None:
        nonlocal most
        running.add(ctx.request_id)
        most = max(most, len(running))
        await go.wait()
        running.discard(ctx.request_id)
        crowd.started.append(ctx.request_id)

    stage.action("rare", rare, concurrency=2)
    for number in range(12):
        await stage.submit("rare", client_id=f"r{number}", tenant=crowd.queue, queue=crowd.queue, connection=None)
    await crowd.burst(stage, "b", 5)
    await stage.worker(worker_slots=8, wakeups=("direct",))
    await shown(lambda: len(running) == 2 and crowd.has_started("b", 5))
    go.set()
    await shown(lambda: len(crowd.started) == 17)
    assert most == 2
