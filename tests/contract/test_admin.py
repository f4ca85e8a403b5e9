"""What an operator may do: list jobs by where they stand, purge dead letters, erase a user or a tenant."""

from typing import Any

import pytest

from streamer.errors import Fenced, NotFound, StoreUnavailable
from streamer.jobs import ids
from streamer.jobs.dispatch import SHARDS, Kind
from streamer.jobs.model import Job, Progress, Status
from streamer.store import administration
from streamer.store.admin import Standing, Waiting
from streamer.store.base import Chunk, Connection, Subscription
from tests.support.jobs import DAY_MS, OOPS, noise
from tests.support.store import Scene

EVERYTHING = 1_000


async def failed(scene: Scene, client_id: str = "r1", **fields: Any) -> Job:
    return await scene.store.requests.fail(await scene.running(client_id, **fields), OOPS, 1)


async def listed(scene: Scene, standing: Standing, **wanted: Any) -> list[Job]:
    page = await scene.store.admin.list_jobs(scene.queue, standing, limit=EVERYTHING, **wanted)
    assert page.cursor is None
    return list(page.jobs)


async def connected(scene: Scene, user: str | None = None) -> Connection:
    name = ids.connection_id(ids.boot_id())
    row = Connection(
        connection_id=name,
        node_id=name.partition(".")[0],
        tenant=scene.tenant,
        user=user or scene.user,
        connected_ms=scene.clock(),
        last_ping_ms=scene.clock(),
    )
    await scene.store.connections.save(row)
    return row


async def watch(scene: Scene, job: Job, *, user: str, tenant: str | None = None) -> None:
    await scene.store.subscriptions.subscribe(
        Subscription(
            job_id=job.job_id,
            connection_id=ids.connection_id(ids.boot_id()),
            tenant=tenant or scene.tenant,
            user=user,
            expires_ms=scene.clock() + DAY_MS,
        )
    )


# --- listing ----------------------------------------------------------------------------------------------------


async def test_a_job_is_listed_where_it_stands(scene: Scene) -> None:
    waiting = await scene.submit("waiting")
    delayed = await scene.submit("delayed", delay_ms=60_000)
    running = await scene.running("running")
    dead = await failed(scene, "dead")
    await scene.store.requests.complete(await scene.running("complete"), b"1", 1)
    found = {standing: await listed(scene, standing) for standing in Standing}
    assert found == {
        Standing.WAITING: [waiting],
        Standing.DELAYED: [delayed],
        Standing.RUNNING: [running],
        Standing.DEAD: [dead],
    }
    assert await scene.store.admin.count(scene.queue) == dict.fromkeys(Standing, 1)


@pytest.mark.parametrize("size", [1, 5, 12, 50])
async def test_pages_put_together_are_all_shards_in_order(scene: Scene, size: int) -> None:
    for number in range(12):
        await failed(scene, f"r{number}")
        scene.clock.advance(number % 3)  # some at the same moment
    jobs: list[Job] = []
    cursor = None
    while not jobs or cursor is not None:
        page = await scene.store.admin.list_jobs(scene.queue, Standing.DEAD, limit=size, cursor=cursor)
        assert len(page.jobs) <= size
        jobs += page.jobs
        cursor = page.cursor
    assert {job.client_id for job in jobs} == {f"r{number}" for number in range(12)}
    assert len(jobs) == 12
    assert [job.ended_ms for job in jobs] == sorted(job.ended_ms or 0 for job in jobs)


async def test_a_page_goes_on_behind_jobs_that_have_left_meanwhile(scene: Scene) -> None:
    for number in range(10):
        await failed(scene, f"r{number}")
        scene.clock.advance(1)
    first = await scene.store.admin.list_jobs(scene.queue, Standing.DEAD, limit=4)
    for job in first.jobs:
        await scene.store.admin.purge(job.job_id)
    rest = await scene.store.admin.list_jobs(scene.queue, Standing.DEAD, limit=EVERYTHING, cursor=first.cursor)
    assert [job.client_id for job in rest.jobs] == [f"r{number}" for number in range(4, 10)]


async def test_a_page_gives_up_where_few_of_many_are_wanted(scene: Scene) -> None:
    for number in range(9):
        await failed(scene, f"r{number}", action="other" if number == 8 else "report")
        scene.clock.advance(1)
    found: list[str] = []
    cursor, pages = None, 0
    while pages == 0 or cursor is not None:
        page = await scene.store.admin.list_jobs(
            scene.queue, Standing.DEAD, limit=5, cursor=cursor, action="other", max_looked=4
        )
        found += [job.client_id for job in page.jobs]
        cursor, pages = page.cursor, pages + 1
    assert (found, pages) == (["r8"], 3)


async def test_a_survey_tells_whose_jobs_wait_and_since_when(scene: Scene) -> None:
    other = f"{scene.tenant}#x"
    oldest = await scene.submit("a")
    scene.clock.advance(1_000)
    await scene.submit("b")
    of_other = await scene.submit("c", tenant=other)
    await scene.submit("later", delay_ms=60_000)
    await scene.running("runs")
    await failed(scene, "dead")
    survey = await scene.store.admin.survey(scene.queue)
    assert survey.counts == {Standing.WAITING: 3, Standing.DELAYED: 1, Standing.RUNNING: 1, Standing.DEAD: 1}
    assert survey.tenants == {scene.tenant: Waiting(2, oldest.created_ms), other: Waiting(1, of_other.created_ms)}
    assert (survey.oldest_created_ms, survey.is_exact) == (oldest.created_ms, True)


async def test_a_survey_of_an_empty_queue_has_no_oldest(scene: Scene) -> None:
    survey = await scene.store.admin.survey(scene.queue)
    assert (survey.counts, survey.tenants) == (dict.fromkeys(Standing, 0), {})
    assert (survey.oldest_created_ms, survey.is_exact) == (None, True)


@pytest.mark.parametrize("standing", [Standing.WAITING, Standing.DEAD])
async def test_a_survey_says_where_it_stopped_counting(
    scene: Scene, standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(administration, "SURVEYED", 1)
    for number in range(20):  # more than there are shards
        if standing is Standing.DEAD:
            await failed(scene, f"r{number}")
        else:
            await scene.submit(f"r{number}")
    survey = await scene.store.admin.survey(scene.queue)
    assert not survey.is_exact
    assert survey.counts[standing] <= SHARDS


@pytest.mark.parametrize("standing", [Standing.WAITING, Standing.RUNNING])
async def test_a_list_is_of_one_action_or_tenant_where_asked(scene: Scene, standing: Standing) -> None:
    other = f"{scene.tenant}#x"
    for client_id, fields in {"a": {}, "b": {"action": "other"}, "c": {"tenant": other}}.items():
        job = await scene.submit(client_id, **fields)
        if standing is Standing.RUNNING:
            await scene.claim(job)
    assert {job.client_id for job in await listed(scene, standing)} == {"a", "b", "c"}
    assert [job.client_id for job in await listed(scene, standing, action="other")] == ["b"]
    assert [job.client_id for job in await listed(scene, standing, tenant=other)] == ["c"]
    assert await listed(scene, standing, tenant=other, action="other") == []


async def test_what_is_filtered_out_takes_no_place_on_a_page(scene: Scene) -> None:
    for number in range(10):
        await scene.submit(f"r{number}", action="other" if number % 5 else "report")
    page = await scene.store.admin.list_jobs(scene.queue, Standing.WAITING, limit=2, action="report")
    assert {job.client_id for job in page.jobs} == {"r0", "r5"}


async def test_a_dead_letter_whose_time_is_over_is_not_listed(scene: Scene) -> None:
    await failed(scene)
    scene.clock.advance(14 * DAY_MS + 1_000)
    assert await listed(scene, Standing.DEAD) == []
    with pytest.raises(NotFound):
        await scene.store.admin.purge(scene.job_id("r1"))


@pytest.mark.parametrize("cursor", ["nonsense", "", "W10=", "e30=", "WzEsMiwzLDQsNSw2LDcsOF0=", "MQ=="])
async def test_a_cursor_from_elsewhere_is_refused(scene: Scene, cursor: str) -> None:
    with pytest.raises(ValueError, match="cursor"):
        await scene.store.admin.list_jobs(scene.queue, Standing.DEAD, limit=1, cursor=cursor)


async def test_the_jobs_of_a_user_are_listed_the_newest_first(scene: Scene) -> None:
    for number in range(6):
        await (failed if number % 2 else Scene.submit)(scene, f"r{number}", action="odd" if number % 2 else "even")
        scene.clock.advance(1)
    await scene.submit("theirs", user="bob")
    admin, who = scene.store.admin, (scene.tenant, scene.user)
    assert [job.client_id for job in await admin.list_by_user(*who, limit=4)] == ["r5", "r4", "r3", "r2"]
    dead = await admin.list_by_user(*who, limit=2, standing=Standing.DEAD)
    assert [job.client_id for job in dead] == ["r5", "r3"]
    assert [job.client_id for job in await admin.list_by_user(*who, limit=9, action="even")] == ["r4", "r2", "r0"]
    assert await admin.list_by_user(*who, limit=9, standing=Standing.RUNNING) == []


# --- purging ----------------------------------------------------------------------------------------------------


async def test_a_purged_dead_letter_leaves_nothing(scene: Scene) -> None:
    store = scene.store
    job = await scene.running(payload=noise(60_000), durable=True)
    await store.events.append_events(job, [Chunk(0, 1, 1, b"1")])
    await watch(scene, job, user="bob")
    dead = await store.requests.fail(job, OOPS, 1, chunks=1)
    assert await store.admin.purge(dead.job_id) == dead
    assert await store.requests.get(dead.job_id) is None
    assert await scene.index(Kind.DEAD) == {}
    assert await store.events.read_events(dead, 0) == []
    assert await store.subscriptions.list_by_request(dead.job_id) == []
    assert await store.inbox.list(scene.tenant, scene.user, 10) == []
    with pytest.raises(NotFound):
        await store.requests.load(dead, dead.payload)
    with pytest.raises(NotFound):
        await store.admin.purge(dead.job_id)


@pytest.mark.parametrize("status", ["waiting", "running", "complete", "cancelled"])
async def test_only_a_dead_letter_is_purged(scene: Scene, status: str) -> None:
    job = await scene.submit()
    if status in ("running", "complete"):
        job = await scene.claim(job)
    if status == "complete":
        job = await scene.store.requests.complete(job, b"1", 1)
    if status == "cancelled":
        job = await scene.cancel(job)
    with pytest.raises(NotFound):
        await scene.store.admin.purge(job.job_id)
    assert await scene.row(job) == job


async def test_a_redriven_dead_letter_may_be_purged_by_its_id(scene: Scene) -> None:
    dead = await failed(scene, payload=noise(60_000))
    again = await scene.store.requests.redrive(dead.job_id)
    await scene.store.admin.purge(dead.job_id)
    assert await scene.store.requests.load(again, again.payload) == noise(60_000)


async def test_old_dead_letters_of_an_action_are_purged(scene: Scene) -> None:
    old = await failed(scene, "old")
    await failed(scene, "other", action="other")
    await failed(scene, "redriven")
    await scene.store.requests.redrive(scene.job_id("redriven"))
    scene.clock.advance(1_000)
    border = scene.clock()
    new = await failed(scene, "new")
    purges = scene.store.admin.purge_all(scene.queue, ended_before_ms=border, action="report")
    assert [job.job_id async for job in purges] == [old.job_id]
    assert {job.client_id for job in await listed(scene, Standing.DEAD)} == {"other", "new"}
    rest = scene.store.admin.purge_all(scene.queue, ended_before_ms=border + 1)
    assert {job.client_id async for job in rest} == {"other", "new"}
    assert await scene.store.requests.get(new.job_id) is None


async def test_more_dead_letters_than_a_page_are_purged(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(administration, "PAGE", 3)
    for number in range(7):
        await failed(scene, f"r{number}")
    scene.clock.advance(1)
    purges = scene.store.admin.purge_all(scene.queue, ended_before_ms=scene.clock())
    assert len([job async for job in purges]) == 7
    assert await scene.index(Kind.DEAD) == {}


async def test_what_two_operators_purge_is_purged_once(scene: Scene) -> None:
    for number in range(3):
        await failed(scene, f"r{number}")
        scene.clock.advance(1)
    purged = []
    async for job in scene.store.admin.purge_all(scene.queue, ended_before_ms=scene.clock()):
        purged.append(job.client_id)
        if job.client_id == "r0":
            await scene.store.admin.purge(scene.job_id("r1"))
    assert purged == ["r0", "r2"]


# --- erasing ----------------------------------------------------------------------------------------------------


async def test_a_user_is_erased(scene: Scene) -> None:
    store = scene.store
    running = await scene.running("running", payload=noise(60_000), durable=True)
    await store.events.append_events(running, [Chunk(0, 1, 1, b"1")])
    mine = [running, await scene.submit("waiting"), await failed(scene, "dead")]
    mine.append(await store.requests.complete(await scene.running("complete"), noise(60_000), 1))
    theirs = await scene.submit("theirs", user="bob", durable=True)
    connection, other = await connected(scene), await connected(scene, user="bob")
    await watch(scene, theirs, user=scene.user)
    await watch(scene, running, user="bob")

    erased = await store.admin.erase(scene.tenant, scene.user)
    assert (erased.jobs, erased.connections, erased.watches) == (4, 1, 1)
    assert erased.items >= 5  # payload, result, chunk, inbox entry, bob's subscription
    assert erased.stopped == [running]
    assert await store.requests.get_many([job.job_id for job in mine]) == {}
    assert await store.requests.list_by_user(scene.tenant, scene.user, 10) == []
    assert await store.events.read_events(running, 0) == []
    assert await store.inbox.list(scene.tenant, scene.user, 10) == []
    assert await store.subscriptions.list_by_request(running.job_id) == []
    assert await store.subscriptions.list_by_request(theirs.job_id) == []
    assert await store.connections.get(connection.connection_id) is None
    for job in (running, mine[3]):
        with pytest.raises(NotFound):
            await store.requests.load(job, job.payload if job is running else job.result or b"")
    assert await scene.row(theirs) == theirs
    assert await store.inbox.list(scene.tenant, "bob", 10) == [theirs.job_id]
    assert await store.connections.get(other.connection_id) == other


async def test_a_running_attempt_of_an_erased_job_is_fenced(scene: Scene) -> None:
    running = await scene.running()
    [stopped] = (await scene.store.admin.erase(scene.tenant, scene.user)).stopped
    with pytest.raises(Fenced):
        await scene.store.requests.save_progress(running, Progress(50), 1)
    with pytest.raises(Fenced):
        await scene.store.requests.complete(running, b"1", 1)
    await scene.store.events.append_events(running, [Chunk(0, 1, 1, b"1")])  # the log is not fenced
    assert await scene.store.admin.erase_beside([stopped]) == 1
    assert await scene.store.events.read_events(running, 0) == []


async def test_what_a_job_leaves_while_it_is_erased_goes_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    running = await scene.running()
    own = scene.store.admin._own  # type: ignore[attr-defined]  # the seam to the engine
    delete_row = own.delete_row

    async def interleaved(*arguments: object) -> object:
        await scene.store.events.append_events(running, [Chunk(0, 1, 1, b"1")])
        return await delete_row(*arguments)

    monkeypatch.setattr(own, "delete_row", interleaved)
    assert (await scene.store.admin.erase(scene.tenant, scene.user)).items == 1
    assert await scene.store.events.read_events(running, 0) == []


async def test_erasing_again_finds_nothing(scene: Scene) -> None:
    await scene.submit(durable=True)
    await scene.store.admin.erase(scene.tenant, scene.user)
    again = await scene.store.admin.erase(scene.tenant, scene.user)
    assert (again.jobs, again.items, again.watches, again.connections, again.stopped) == (0, 0, 0, 0, [])


async def test_a_tenant_is_erased_with_all_its_users(scene: Scene) -> None:
    store, other = scene.store, f"{scene.tenant}-other"
    for user in ("ann", "bob", "eve"):
        await scene.submit(user=user, durable=True)
        await store.inbox.add(scene.tenant, user, "an entry without a row")
    await connected(scene, user="zoe")  # who has no job
    await store.inbox.add(scene.tenant, "zoe", "an entry without a row")
    theirs = await scene.submit(tenant=other, user="ann", durable=True)
    await watch(scene, theirs, user="ann")
    await watch(scene, theirs, user="ann", tenant=other)

    erased = await store.admin.erase(scene.tenant)
    assert (erased.jobs, erased.items, erased.watches, erased.connections) == (3, 7, 1, 1)
    for user in ("ann", "bob", "eve", "zoe"):
        assert await store.inbox.list(scene.tenant, user, 10) == []
    assert await store.connections.list_by_tenant(scene.tenant) == []
    assert await scene.row(theirs) == theirs
    assert len(await store.subscriptions.list_by_request(theirs.job_id)) == 1
    assert await store.inbox.list(other, "ann", 10) == [theirs.job_id]


async def test_rows_whose_time_is_over_are_erased_too(scene: Scene) -> None:
    done = await scene.store.requests.complete(await scene.running(), b"1", 1)
    scene.clock.advance(8 * DAY_MS)
    assert (await scene.store.admin.erase(scene.tenant, scene.user)).jobs == 1
    assert done.job_id not in await scene.rows.read([done.job_id])


async def test_more_jobs_than_go_at_a_time_are_erased(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(administration, "WIDTH", 3)
    for number in range(7):
        await scene.submit(f"r{number}")
    assert (await scene.store.admin.erase(scene.tenant, scene.user)).jobs == 7
    assert await scene.index(Kind.READY) == {}


async def test_an_erasure_that_was_cut_short_is_made_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies beside a row is deleted before it, so nothing stays that nobody finds any more."""
    jobs = [await scene.submit(f"r{number}", payload=noise(60_000), durable=True) for number in range(3)]
    own = scene.store.admin._own  # type: ignore[attr-defined]  # the seam to the engine
    with monkeypatch.context() as patched:
        patched.setattr(own, "delete_row", away)
        with pytest.raises(StoreUnavailable):
            await scene.store.admin.erase(scene.tenant)
    assert (await scene.store.admin.erase(scene.tenant)).jobs == 3
    for job in jobs:
        with pytest.raises(NotFound):
            await scene.store.requests.load(job, job.payload)
    assert await scene.store.inbox.list(scene.tenant, scene.user, 10) == []


async def away(*_: object) -> None:
    raise StoreUnavailable


async def test_a_submit_after_it_was_erased_is_a_new_job(scene: Scene) -> None:
    await failed(scene)
    await scene.store.admin.erase(scene.tenant, scene.user)
    again = await scene.submit()
    assert (again.status, again.attempt) == (Status.PENDING, 0)
