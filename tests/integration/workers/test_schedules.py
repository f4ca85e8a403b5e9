"""Schedules on real stores: one job per tick, however many workers there are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from streamer.definitions import define
from streamer.intake import Policy
from streamer.jobs import ids
from streamer.registry import Registry
from streamer.schedules import Schedule
from streamer.schedules import define as schedule
from streamer.settings import Settings
from streamer.store.base import Store, now_ms
from streamer.submitter import Submitter
from tests.integration.workers.stage import Stage
from tests.support.store import Engine
from tests.support.until import until
from workers.schedules import Schedules
from workers.worker import Worker

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


class Time:
    """A wall clock of several workers: it goes on by a minute when all of them sleep, and stops at `end`."""

    def __init__(self, sleepers: int, end: datetime) -> None:
        self.now = NOON - timedelta(minutes=1)
        self.end = end
        self.over = asyncio.Event()
        self._barrier = asyncio.Barrier(sleepers)

    def __call__(self) -> int:
        return int(self.now.timestamp() * 1000)

    async def sleep(self, _: float) -> None:
        if await self._barrier.wait() == 0:
            self.now += timedelta(minutes=1)
        await self._barrier.wait()
        if self.now > self.end:
            self.over.set()
            await asyncio.Event().wait()


@asynccontextmanager
async def following(store: Store, time: Time, declared: Schedule) -> AsyncIterator[None]:
    """One worker's part in it, on its own store."""
    registry = Registry([define("clean", clean)], threads=1)
    submitter = Submitter(registry, store.requests, Policy(max_retries=3, start_within_ms=60_000), tell=None)
    schedules = Schedules([declared], submitter, store.requests, clock=time, sleep=time.sleep)
    task = asyncio.create_task(schedules.run(), name="schedules under test")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def clean(_: object, request: Any) -> None: ...


async def test_two_workers_start_one_job_per_tick(engine: Engine) -> None:
    tenant = f"t-{ids.nonce()}"
    declared = schedule("*/5 * * * *", action="clean", tenant=tenant, missed="skip", payload=lambda tick: tick.minute)
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(engine.open()) for _ in range(2)]
        time = Time(len(stores), NOON + timedelta(minutes=12))
        for store in stores:
            await stack.enter_async_context(following(store, time, declared))
        await time.over.wait()
        jobs = await stores[0].requests.list_by_user(tenant, "schedule", 10)
        payloads = {job.client_id: await stores[0].requests.load(job, job.payload) for job in jobs}
    assert payloads == {
        "schedule:clean:20261122T1200Z": b"0",
        "schedule:clean:20261122T1205Z": b"5",
        "schedule:clean:20261122T1210Z": b"10",
    }
    assert len(jobs) == 3


def scheduled(stage: Stage, declared: Schedule) -> Worker:
    settings = Settings(**stage.settings)
    return Worker(settings, Registry(stage.actions, threads=1, schedules=[declared]), stage.store, stage.metrics)


async def test_workers_that_start_make_up_for_the_newest_tick_and_run_it_once(stage: Stage) -> None:
    runs: list[Any] = []

    async def note(ctx: Any, _: Any) -> None:
        runs.append(ctx.metadata["tick"])

    stage.action("clean", note)
    declared = schedule("0 * * * *", action="clean")
    began = _newest(declared)
    workers = [stage.start(scheduled(stage, declared)) for _ in range(2)]
    await until(lambda: runs)
    await until(lambda: all(worker.is_ready for worker in workers))
    for worker in workers:
        await stage.stop(worker)
    assert runs in ([began], [began, _newest(declared)], [_newest(declared)])  # the hour may have turned meanwhile
    job = await stage.store.requests.get(
        ids.job_id("system", "schedule", declared.client_id(datetime.fromisoformat(runs[0])))
    )
    assert job is not None
    assert job.attempt == 1


def _newest(declared: Schedule) -> str:
    now = datetime.fromtimestamp(now_ms() / 1000, UTC)
    tick = declared.newest(now - timedelta(hours=1), now)
    assert tick is not None
    return tick.isoformat()
