"""What workers, operators and users see of the queue."""

import pytest

from streamer.jobs import dispatch
from streamer.jobs.dispatch import Kind
from streamer.jobs.model import Job, Priority, Status
from streamer.store.looking import Backlog
from tests.support.jobs import OOPS
from tests.support.store import Scene


async def same_shard(scene: Scene, count: int, **fields: object) -> list[Job]:
    """So many jobs in the shard of the first, submitted a millisecond apart."""
    found: list[Job] = []
    number = 0
    while len(found) < count:
        client_id = f"r{number}"
        number += 1
        shard = dispatch.shard(scene.job_id(client_id))
        if not found or shard == dispatch.shard(found[0].job_id):
            found.append(await scene.submit(client_id, **fields))
            scene.clock.advance(1)
    return found


async def test_ready_jobs_come_in_the_order_of_their_submits(scene: Scene) -> None:
    waiting = await same_shard(scene, 4)
    shard = dispatch.shard(waiting[0].job_id)
    ready = await scene.store.requests.ready(scene.queue, shard, 10)
    assert [each.job_id for each in ready] == [job.job_id for job in waiting]
    assert [each.created_ms for each in ready] == [job.created_ms for job in waiting]
    assert {(each.queue, each.action, each.tenant) for each in ready} == {(scene.queue, "report", scene.tenant)}
    assert await scene.store.requests.ready(scene.queue, shard, 2) == ready[:2]
    assert await scene.store.requests.ready(f"{scene.queue}2", shard, 10) == []


async def test_priority_is_a_head_start(scene: Scene) -> None:
    normal, high, low = Priority.NORMAL, Priority.HIGH, Priority.LOW
    wanted = {"low": low, "normal": normal, "next": normal, "high": high}
    found = {(await scene.submit(name, priority=priority)).job_id: name for name, priority in wanted.items()}
    entries = sorted((await scene.index(Kind.READY)).items(), key=lambda pair: pair[1].sort)
    assert [found[job_id] for job_id, _ in entries] == ["high", "normal", "next", "low"]


@pytest.mark.parametrize("kind", [Kind.READY, Kind.TIMER])
async def test_looking_goes_on_behind_what_was_seen(scene: Scene, kind: Kind) -> None:
    jobs = await same_shard(scene, 5, delay_ms=10 if kind is Kind.TIMER else 0)
    scene.clock.advance(1_000)
    requests, shard = scene.store.requests, dispatch.shard(jobs[0].job_id)
    read = requests.ready if kind is Kind.READY else requests.due
    first = await read(scene.queue, shard, 2)
    rest = await read(scene.queue, shard, 10, after=first[-1].sort)
    assert [each.job_id for each in (*first, *rest)] == [job.job_id for job in jobs]
    assert await read(scene.queue, shard, 10, after=rest[-1].sort) == []


async def test_a_clock_that_went_back_sees_no_timers_behind_its_time(scene: Scene) -> None:
    job = await scene.submit(delay_ms=1_000)
    shard = dispatch.shard(job.job_id)
    scene.clock.advance(1_000)
    (found,) = await scene.store.requests.due(scene.queue, shard, 1)
    scene.clock.advance(-500)
    assert await scene.store.requests.due(scene.queue, shard, 1, after=found.sort) == []


async def test_what_waits_is_counted_by_tenant(scene: Scene) -> None:
    for number in range(3):
        await scene.submit(f"r{number}")
    await scene.submit("later", delay_ms=60_000)
    await scene.submit("theirs", tenant="others")
    await scene.running("running")
    count = scene.store.requests.count_waiting
    assert await count(scene.queue, scene.tenant, 100) == 4
    assert await count(scene.queue, scene.tenant, 2) == 2
    assert await count(scene.queue, "nobody", 100) == 0


async def test_what_is_due_comes_the_earliest_first(scene: Scene) -> None:
    first, second, third = await same_shard(scene, 3, max_retries=1)
    shard = dispatch.shard(first.job_id)
    now = scene.clock()
    for job, due_ms in ((first, now + 300), (second, now + 100), (third, now + 200)):
        await scene.store.requests.retry(await scene.claim(job), OOPS, 1, due_ms)
    assert await scene.store.requests.due(scene.queue, shard, 10) == []
    scene.clock.advance(200)
    due = await scene.store.requests.due(scene.queue, shard, 10)
    assert [(each.job_id, each.rank) for each in due] == [(second.job_id, now + 100), (third.job_id, now + 200)]
    assert await scene.store.requests.due(scene.queue, shard, 1) == due[:1]


async def test_running_shows_what_a_session_owns(scene: Scene) -> None:
    mine = {(await scene.running(f"mine{number}", "abc")).job_id for number in range(10)}
    await scene.running("theirs", "abcd")
    await scene.running("also-theirs", "ab")
    released = await scene.running("released", "abc")
    await scene.store.requests.release(released)
    done = await scene.running("done", "abc")
    await scene.store.requests.complete(done, b"1", 1)
    running = await scene.store.requests.running(scene.queue, "abc")
    assert {job.job_id for job in running} == mine
    assert {(job.status, job.owner) for job in running} == {(Status.PROCESSING, "abc")}
    assert await scene.store.requests.running(scene.queue, "a") == []


async def test_the_backlog_counts_what_waits(scene: Scene) -> None:
    assert await scene.store.requests.backlog(scene.queue) == Backlog(0, None)
    oldest = scene.clock()
    for number in range(10):
        await scene.submit(f"r{number}")
        scene.clock.advance(10)
    await scene.submit("delayed", delay_ms=60_000)
    assert await scene.store.requests.backlog(scene.queue) == Backlog(10, oldest)
    await scene.running("running")
    assert await scene.store.requests.backlog(scene.queue) == Backlog(10, oldest)
    scene.clock.advance(60_000)
    assert await scene.store.requests.backlog(scene.queue) == Backlog(11, oldest)


async def test_a_user_sees_their_newest_jobs_first(scene: Scene) -> None:
    jobs = []
    for number in range(12):
        jobs.append(await scene.submit(f"r{number}"))
        scene.clock.advance(1)
    await scene.submit("other user", user="eve")
    await scene.submit("other tenant", tenant="evil")
    newest = jobs[::-1]
    listed = scene.store.requests.list_by_user
    assert await listed(scene.tenant, scene.user, 100) == newest
    assert await listed(scene.tenant, scene.user, 5) == newest[:5]
    assert await listed(scene.tenant, f"{scene.user}2", 5) == []


async def test_a_user_sees_what_became_of_their_jobs(scene: Scene) -> None:
    done = await scene.store.requests.complete(await scene.running("r1"), b"1", 1)
    scene.clock.advance(1)
    gone = await scene.cancel(await scene.submit("r2"))
    assert await scene.store.requests.list_by_user(scene.tenant, scene.user, 5) == [gone, done]


async def test_the_jobs_of_a_connection_are_its_users_unfinished_ones(scene: Scene) -> None:
    waiting = await scene.submit("r1", connection="c1")
    scene.clock.advance(1)
    running = await scene.running("r2", connection="c1")
    await scene.store.requests.complete(await scene.running("r3", connection="c1"), b"1", 1)
    await scene.submit("r4", connection="c2")
    await scene.submit("r5", connection="c1", user="eve")
    found = await scene.store.requests.get_by_connection("c1", scene.tenant, scene.user)
    assert found == [running, waiting]
    assert await scene.store.requests.get_by_connection("c1", scene.tenant, "nobody") == []


@pytest.mark.parametrize("count", [1, 99, 101, 250])
async def test_many_rows_are_read_at_once(scene: Scene, count: int) -> None:
    some = {(await scene.submit(f"r{number}")).job_id for number in range(3)}
    asked = [*some, *(f"{number:032x}" for number in range(count))]
    assert (await scene.store.requests.get_many(asked)).keys() == some


async def test_entries_are_cut_by_prefix_bound_and_limit(scene: Scene) -> None:
    jobs = await same_shard(scene, 4)
    partition = dispatch.partition(Kind.READY, scene.queue, dispatch.shard(jobs[0].job_id))
    places = [(job.job_id, job.entry) for job in jobs]
    assert await scene.rows.entries(partition, limit=10) == places
    assert await scene.rows.entries(partition, limit=3) == places[:3]
    bound = dispatch.up_to(jobs[1].virtual_time)
    assert await scene.rows.entries(partition, limit=10, up_to=bound) == places[:2]
    prefix = f"{jobs[2].virtual_time:013d}#"
    assert await scene.rows.entries(partition, limit=10, prefix=prefix) == places[2:3]
    assert await scene.rows.count(partition, limit=10) == 4
    assert await scene.rows.count(partition, limit=10, up_to=bound) == 2
    assert await scene.rows.count(partition, limit=3) == 3
