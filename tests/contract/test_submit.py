"""enqueue: once per id, durable, joined by the same request and refused to another."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from streamer.errors import DuplicateRequest, PayloadTooLarge
from streamer.jobs import dispatch, ids, lifecycle
from streamer.jobs.dispatch import Kind
from streamer.jobs.model import MAX_ROUTES, Priority, Status
from streamer.store.base import RoutesFull
from streamer.store.queue import MAX_BODY_BYTES
from tests.support.jobs import OOPS, Clock
from tests.support.store import Engine, Scene


async def test_a_submitted_job_is_there_as_it_was_returned(scene: Scene) -> None:
    fields = {
        "metadata": {"traceparent": "00-1", "n": [1, None]},
        "max_retries": 3,
        "durable": True,
        "connection": "c1",
        "priority": Priority.HIGH,
    }
    enqueued = await scene.store.requests.enqueue(scene.submission("r1", **fields))
    assert enqueued.created
    assert enqueued.job.status is Status.PENDING
    assert enqueued.job.job_id == ids.job_id(scene.tenant, scene.user, "r1")
    assert await scene.store.requests.get(enqueued.job.job_id) == enqueued.job


async def test_a_job_outlives_the_store_that_took_it(engine: Engine, clock: Clock) -> None:
    async with engine.open(clock=clock) as store:
        job = await Scene(store, clock).submit()
    async with engine.open(clock=clock) as store:
        assert await store.requests.get(job.job_id) == job


async def test_of_fifty_at_once_one_creates(scene: Scene) -> None:
    submits = [scene.submission(connection=f"c{number % 8}") for number in range(50)]
    enqueued = await asyncio.gather(*map(scene.store.requests.enqueue, submits))
    assert sum(each.created for each in enqueued) == 1
    assert len({each.job.job_id for each in enqueued}) == 1
    assert (await scene.row(enqueued[0].job)).routes == {f"c{number}" for number in range(8)}
    assert len(await scene.index(Kind.READY)) == 1


async def test_of_fifty_at_once_with_two_payloads_one_payload_wins(scene: Scene) -> None:
    bodies = [b'{"n":%d}' % (number % 2) for number in range(50)]
    enqueue = scene.store.requests.enqueue
    answers = await asyncio.gather(
        *(enqueue(scene.submission(payload=body)) for body in bodies), return_exceptions=True
    )
    winner = await scene.row(next(each.job for each in answers if not isinstance(each, BaseException)))
    for body, answer in zip(bodies, answers, strict=True):
        assert isinstance(answer, DuplicateRequest) is (body != winner.payload)


async def test_the_same_request_joins(scene: Scene) -> None:
    first = await scene.submit(connection="c1")
    again = await scene.store.requests.enqueue(scene.submission(connection="c2"))
    assert not again.created
    assert again.job.routes == {"c1", "c2"}
    assert again.job == await scene.row(first)


@pytest.mark.parametrize("connection", [None, "c1"])
async def test_joining_again_changes_nothing(scene: Scene, connection: str | None) -> None:
    first = await scene.submit(connection="c1")
    again = await scene.store.requests.enqueue(scene.submission(connection=connection))
    assert again.job == first


async def test_the_same_request_finds_a_running_job(scene: Scene) -> None:
    running = await scene.running()
    again = await scene.store.requests.enqueue(scene.submission(connection="c2"))
    assert (again.created, again.job.status, again.job.attempt) == (False, Status.PROCESSING, running.attempt)
    assert again.job.routes == {"c2"}


async def test_the_same_request_finds_its_outcome(scene: Scene) -> None:
    done = await scene.store.requests.complete(await scene.running(), b"1", 2)
    again = await scene.store.requests.enqueue(scene.submission(connection="c2"))
    assert (again.created, again.job) == (False, done)


@pytest.mark.parametrize("other", [{"payload": b'{"n":2}'}, {"action": "other"}])
async def test_another_request_under_the_same_id_is_refused(scene: Scene, other: dict[str, Any]) -> None:
    first = await scene.submit(connection="c1")
    with pytest.raises(DuplicateRequest):
        await scene.submit(connection="c2", **other)
    assert await scene.row(first) == first


async def test_another_request_is_refused_after_the_outcome_too(scene: Scene) -> None:
    job = await scene.store.requests.fail(await scene.running(), OOPS, 2)
    with pytest.raises(DuplicateRequest):
        await scene.submit(payload=b"2")
    assert await scene.row(job) == job


async def test_one_connection_too_many(scene: Scene) -> None:
    for number in range(MAX_ROUTES):
        job = await scene.submit(connection=f"c{number}")
    with pytest.raises(RoutesFull) as full:
        await scene.submit(connection="one more")
    assert full.value.job == job


@pytest.mark.parametrize(
    ("left", "right"), [(("t1", "u", "1x"), ("t11", "u", "x")), (("t", "u1", "x"), ("t", "u", "1x"))]
)
async def test_tenants_and_users_never_meet(
    scene: Scene, left: tuple[str, str, str], right: tuple[str, str, str]
) -> None:
    made = []
    for tenant, user, client_id in (left, right):
        principal = {"tenant": f"{scene.tenant}{tenant}", "user": user}
        made.append(await scene.store.requests.enqueue(scene.submission(client_id, **principal)))
    assert [each.created for each in made] == [True, True]
    assert made[0].job.job_id != made[1].job.job_id


async def test_the_same_id_of_two_tenants_is_two_jobs(scene: Scene) -> None:
    mine = await scene.submit(payload=b"1")
    theirs = await scene.submit(payload=b"2", tenant=f"{scene.tenant}-other")
    assert [(await scene.row(job)).payload for job in (mine, theirs)] == [b"1", b"2"]


async def test_a_row_of_somebody_else_is_never_shown(scene: Scene) -> None:
    """Two users cannot have the same key; if they ever did, the second would learn nothing of the first."""
    theirs = replace(lifecycle.submit(scene.submission(connection="c1"), "n", scene.clock(), scene.clock()), user="eve")
    await scene.rows.insert(theirs, scene.clock())
    with pytest.raises(DuplicateRequest):
        await scene.submit(connection="c2")
    assert await scene.row(theirs) == theirs


async def test_a_delayed_job_waits_for_its_time(scene: Scene) -> None:
    job = await scene.submit(delay_ms=5_000)
    assert job.due_ms == scene.clock() + 5_000
    assert await scene.store.requests.claim(job.job_id, scene.queue, "s") is None
    assert list(await scene.index(Kind.TIMER)) == [job.job_id]
    assert await scene.store.requests.due(scene.queue, dispatch.shard(job.job_id), 10) == []
    scene.clock.advance(5_000)
    [candidate] = await scene.store.requests.due(scene.queue, dispatch.shard(job.job_id), 10)
    assert (candidate.job_id, candidate.tenant, candidate.action) == (job.job_id, scene.tenant, "report")
    assert (await scene.claim(job)).attempt == 1


async def test_names_from_every_script(scene: Scene) -> None:
    job = await scene.submit(tenant=f"{scene.tenant}#Ünï#\U0001f680", user="用户#1", action="a.b-c_d", connection="c#1")
    assert await scene.row(job) == job
    [candidate] = await scene.store.requests.ready(scene.queue, dispatch.shard(job.job_id), 10)
    assert (candidate.tenant, candidate.action) == (job.tenant, "a.b-c_d")


async def test_a_payload_over_a_mebibyte_is_refused(scene: Scene) -> None:
    with pytest.raises(PayloadTooLarge):
        await scene.submit(payload=b'"' + b"x" * MAX_BODY_BYTES + b'"')
    assert await scene.store.requests.get(ids.job_id(scene.tenant, scene.user, "r1")) is None
