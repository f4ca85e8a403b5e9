"""A cancel meets a claim, or an outcome, again and again: exactly one thing becomes of each job."""

import asyncio
import random

from streamer.jobs.dispatch import Kind
from streamer.jobs.model import Job, Status
from tests.support import invariants
from tests.support.store import Scene

RACES = 100
AT_ONCE = 10


async def race_claim(scene: Scene, number: int) -> Job:
    """A cancelled job was never claimed; a claimed one knows that it was asked to stop, and stops."""
    job = await scene.submit(f"claim-{number}")
    contest = [scene.store.requests.claim(job.job_id, scene.queue, "s"), scene.cancel(job)]
    order = random.Random(number).sample(range(2), 2)
    answers = dict(zip(order, await asyncio.gather(*(contest[each] for each in order)), strict=True))
    claimed, row = answers[0], await scene.row(job)
    if claimed is None:
        assert row.status is Status.CANCELLED
        return row
    assert row.cancel_requested_ms is not None
    return await scene.store.requests.cancelled(claimed, 1)


async def race_complete(scene: Scene, number: int) -> Job:
    """What was completed stays so; the cancel that came too late is told the outcome."""
    job = await scene.running(f"complete-{number}")
    contest = [scene.store.requests.complete(job, b"1", 1), scene.cancel(job)]
    order = random.Random(number).sample(range(2), 2)
    answers = dict(zip(order, await asyncio.gather(*(contest[each] for each in order)), strict=True))
    completed, seen = answers[0], answers[1]
    assert completed is not None
    assert completed.status is Status.COMPLETED
    assert seen is not None
    assert seen.status in (Status.COMPLETED, Status.PROCESSING)
    again = await scene.cancel(job)
    assert again == await scene.row(job) == completed
    return again


async def test_two_hundred_races_have_one_outcome_each(scene: Scene) -> None:
    outcomes: list[Job] = []
    for start in range(0, RACES, AT_ONCE):
        numbers = range(start, start + AT_ONCE)
        races = [race(scene, number) for number in numbers for race in (race_claim, race_complete)]
        outcomes += await asyncio.gather(*races)

    assert len(outcomes) == 2 * RACES
    assert all(row.finished for row in outcomes)
    assert await invariants.index_violations(scene.store, scene.queue, {row.job_id: row for row in outcomes}) == []
    for kind in Kind:
        assert await scene.index(kind) == {}
