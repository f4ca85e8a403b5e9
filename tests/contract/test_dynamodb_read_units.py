"""What looking for work costs on DynamoDB, from the `ConsumedCapacity` of every call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from streamer.jobs import lifecycle
from streamer.jobs.dispatch import SHARDS
from streamer.jobs.model import Job
from streamer.store.admin import Standing
from streamer.store.dynamodb import items
from streamer.store.dynamodb.rows import DynamoDBRows
from streamer.store.dynamodb.store import open_dynamodb
from streamer.telemetry.metrics import Metrics
from tests.support.bill import Bill
from tests.support.jobs import Clock
from tests.support.store import Engine, Scene
from tests.support.until import until
from workers.heads import Heads
from workers.order import Lead
from workers.slots import Slots
from workers.wakeups import Wakeups

DEEP = 10_000
BATCH = 25
"""Items of one BatchWriteItem, by AWS."""
AT_ONCE = 8
LEAST = 0.5
"""What AWS charges for a query that finds nothing; DynamoDB Local charges nothing."""


class Looking:
    """What the index is asked, and what that costs."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._units: list[float] = []

    def add(self, verb: str, consumed: Any) -> None:
        if verb in ("entries", "count"):
            bill = Bill(self._prefix)
            bill.add(verb, consumed)
            found = bill.take().get("DispatchIndex", 0.0)
            self._units.append(max(LEAST, found))

    def take(self) -> tuple[float, int]:
        """Read units and requests since the last time."""
        taken, self._units = self._units, []
        return sum(taken), len(taken)


@pytest.fixture
def looking(dynamodb_engine: Engine) -> Looking:
    return Looking(dynamodb_engine.table_prefix)


@pytest.fixture
async def scene(
    dynamodb_engine: Engine, looking: Looking, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Scene]:
    for name, value in dynamodb_engine.environment.items():
        monkeypatch.setenv(name, value)
    prefix = dynamodb_engine.table_prefix
    async with open_dynamodb(table_prefix=prefix, clock=clock, on_capacity=looking.add) as store:
        yield Scene(store, clock)


async def fill(scene: Scene, count: int) -> None:
    """Rows as submits write them, in batches: one by one would take minutes."""
    rows = cast("DynamoDBRows", scene.rows)
    jobs = [lifecycle.submit(scene.submission(f"r{number}"), "n", scene.clock(), number) for number in range(count)]
    table = f"{rows._tables.requests}"

    async def put(some: list[Job]) -> None:
        asked: Any = {table: [{"PutRequest": {"Item": items.encode(job)}} for job in some]}
        while asked:  # what DynamoDB had no capacity for comes back
            answer = await rows._client.call("fill", "batch_write_item", {"RequestItems": asked})
            asked = answer.get("UnprocessedItems")

    batches = [jobs[start : start + BATCH] for start in range(0, count, BATCH)]
    for start in range(0, len(batches), AT_ONCE):
        await asyncio.gather(*(put(batch) for batch in batches[start : start + AT_ONCE]))


class Busy:
    """A worker with one slot, which always has a job."""

    def __init__(self, scene: Scene) -> None:
        self.claimed: list[Job] = []
        self._end = asyncio.Event()
        self._scene = scene
        self._slots = Slots(1, Metrics())
        self.wakeups = Wakeups(
            heads=Heads(scene.store.requests, [scene.queue], Metrics()),
            slots=self._slots,
            claim=self._claim,
            run=self._run,
            is_open=lambda: True,
            live_workers=lambda: 1,
            queues=[scene.queue],
            actions=["report"],
            ways=["sweep"],
            sweep_s=3600.0,
        )

    async def _claim(self, lead: Lead) -> Job | None:
        return await self._scene.store.requests.claim(lead.job_id, lead.queue, "session")

    async def _run(self, row: Job) -> None:
        self.claimed.append(row)
        self._end.clear()
        await self._end.wait()

    async def next(self) -> None:
        """Ends the job that runs; returns when the next one does."""
        before = len(self.claimed)
        self._end.set()
        await until(lambda: len(self.claimed) > before)

    async def close(self) -> None:
        await self.wakeups.close()
        await self._slots.close()


@asynccontextmanager
async def busy(scene: Scene) -> AsyncIterator[Busy]:
    worker = Busy(scene)
    await worker.wakeups.sweep()
    await until(lambda: worker.claimed)
    try:
        yield worker
    finally:
        await worker.close()


async def cost_of_claims(scene: Scene, looking: Looking, count: int) -> tuple[float, int]:
    """Of one slot that becomes free so many times, while as many go on waiting."""
    async with busy(scene) as worker:
        looking.take()
        for number in range(count):
            await worker.next()
            await scene.submit(f"another{number}")
        return looking.take()


@pytest.mark.timeout(240)
async def test_a_claim_costs_no_more_where_ten_thousand_wait(scene: Scene, looking: Looking, clock: Clock) -> None:
    few = Scene(scene.store, clock)
    await fill(few, 11)
    units_with_few, _ = await cost_of_claims(few, looking, 20)
    await fill(scene, DEEP + 1)
    units, requests = await cost_of_claims(scene, looking, 20)
    assert units <= units_with_few
    assert (units, requests) == (20 * 2.0, 20 * 4)  # two shards, ready and due


async def test_an_empty_sweep_costs_half_a_unit_per_partition(scene: Scene, looking: Looking) -> None:
    worker = Busy(scene)
    await worker.wakeups.sweep()
    assert looking.take() == (SHARDS * 2 * 0.5, SHARDS * 2)
    await worker.close()


async def test_a_look_for_one_free_slot_reads_no_more_than_ten_of_each(scene: Scene, looking: Looking) -> None:
    await fill(scene, 500)
    async with busy(scene) as worker:
        looking.take()  # with it, what waits was counted
        await worker.wakeups.sweep()
        assert looking.take() == (SHARDS * 2 * 0.5, SHARDS * 2)


async def test_a_survey_costs_half_a_unit_per_shard_and_standing_where_little_waits(
    scene: Scene, looking: Looking
) -> None:
    await fill(scene, 100)
    looking.take()
    assert (await scene.store.admin.survey(scene.queue)).counts[Standing.WAITING] == 100
    assert looking.take() == (SHARDS * 4 * 0.5, SHARDS * 4)


@pytest.mark.timeout(240)
async def test_a_survey_of_many_costs_what_a_thousand_entries_per_shard_weigh(scene: Scene, looking: Looking) -> None:
    await fill(scene, DEEP)
    looking.take()
    survey = await scene.store.admin.survey(scene.queue)
    units, _ = looking.take()
    assert (survey.counts[Standing.WAITING], survey.is_exact) == (SHARDS * 1_000, False)
    assert units == 132.0  # a shard is read to its 1,000th entry
