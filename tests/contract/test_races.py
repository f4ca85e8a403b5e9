"""Many workers, few jobs: each attempt is run by exactly one of them."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from streamer.jobs import dispatch
from streamer.jobs.dispatch import Candidate, Kind
from streamer.jobs.model import TERMINAL, Job, Status
from streamer.store.base import Store
from tests.support import invariants
from tests.support.jobs import OOPS, Clock
from tests.support.store import Engine, Scene

JOBS = 200
CLAIMERS = 8


@pytest.fixture
async def stores(engine: Engine, clock: Clock) -> AsyncIterator[list[Store]]:
    """Opened separately, as by processes of their own."""
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(engine.open(clock=clock)) for _ in range(3)]


class Claimer:
    """A worker that claims whatever it sees, in no order, and fails every third attempt."""

    def __init__(self, store: Store, scene: Scene, number: int) -> None:
        self.session = f"session-{number}"
        self._store = store
        self._scene = scene
        self._chance = random.Random(number)
        self.ran: list[Job] = []

    async def run(self) -> None:
        """Until two rounds find nothing to do."""
        idle = 0
        while idle < 2:
            seen = await self._candidates()
            idle = 0 if seen else idle + 1
            self._chance.shuffle(seen)
            for job_id in seen:
                await self._attempt(job_id)

    async def _candidates(self) -> list[str]:
        queue, requests = self._scene.queue, self._store.requests
        found: list[Candidate] = []
        for shard in range(dispatch.SHARDS):
            found += await requests.ready(queue, shard, 8)
            found += await requests.due(queue, shard, 8)
        return [each.job_id for each in found]

    async def _attempt(self, job_id: str) -> None:
        job = await self._store.requests.claim(job_id, self._scene.queue, self.session)
        if job is None:
            return
        self.ran.append(job)
        if self._chance.random() < 0.3:
            await self._store.requests.retry(job, OOPS, 1, self._scene.clock())
        else:
            await self._store.requests.complete(job, b'"%s"' % self.session.encode(), 1)


async def test_every_attempt_is_run_once(stores: list[Store], clock: Clock) -> None:
    scene = Scene(stores[0], clock)
    await asyncio.gather(*(scene.submit(f"r{number}", max_retries=2) for number in range(JOBS)))
    claimers = [Claimer(stores[number % len(stores)], scene, number) for number in range(CLAIMERS)]
    await asyncio.gather(*(claimer.run() for claimer in claimers))

    ran = [job for claimer in claimers for job in claimer.ran]
    runs = Counter((job.job_id, job.attempt) for job in ran)
    assert set(runs.values()) == {1}
    rows = await scene.store.requests.get_many({job.job_id for job in ran})
    assert len(rows) == JOBS
    assert {row.status for row in rows.values()} <= TERMINAL
    assert len(ran) == sum(row.attempt for row in rows.values())
    assert all(row.retry_count == row.attempt - 1 for row in rows.values() if row.status is Status.COMPLETED)
    winners = {(job.job_id, job.attempt): claimer.session for claimer in claimers for job in claimer.ran}
    for row in rows.values():
        if row.status is Status.COMPLETED:
            assert row.result == b'"%s"' % winners[row.job_id, row.attempt].encode()
    assert await invariants.index_violations(scene.store, scene.queue, rows) == []
    assert await scene.index(Kind.READY) == await scene.index(Kind.RUNNING) == await scene.index(Kind.TIMER) == {}


async def test_outcomes_at_once(stores: list[Store], clock: Clock) -> None:
    """The owner completes while the sweep declares it dead and its user cancels: one outcome, told to all the same."""
    scene = Scene(stores[0], clock)
    for number in range(12):
        running = await scene.running(f"r{number}", max_retries=0)
        answers = await asyncio.gather(
            stores[0].requests.complete(running, b"1", 3),
            stores[1].requests.lost(running),
            stores[2].requests.cancel(scene.tenant, scene.user, running.client_id),
        )
        row = await scene.row(running)
        assert row.finished
        assert {answer.status for answer in answers if answer.finished} == {row.status}
        assert all(answer == row for answer in answers if answer.finished)
