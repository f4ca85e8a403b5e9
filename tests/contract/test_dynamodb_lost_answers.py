"""DynamoDB applies a write and its answer is lost: the SDK asks again, and nobody may notice."""

from collections.abc import AsyncIterator

import pytest

from streamer.errors import DuplicateRequest, StoreUnavailable
from streamer.jobs.dispatch import Kind
from streamer.jobs.lifecycle import SEQ_AFTER_LOSS
from streamer.jobs.model import Kept, Progress, Status
from streamer.store.base import Chunk
from tests.support import dynamodb_local
from tests.support.fault_proxy import ANY, Answer, DropAnswer, FaultProxy, Reset, Rule
from tests.support.jobs import OOPS, Clock
from tests.support.store import Engine, Scene


@pytest.fixture
async def proxy(dynamodb_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(dynamodb_engine.environment["AWS_ENDPOINT_URL_DYNAMODB"]) as started:
        for name, value in dynamodb_local.environment(started.url).items():
            monkeypatch.setenv(name, value)
        yield started


@pytest.fixture
async def scene(proxy: FaultProxy, dynamodb_engine: Engine, clock: Clock) -> AsyncIterator[Scene]:
    assert proxy.url
    async with dynamodb_engine.open(clock=clock) as store:
        scene = Scene(store, clock)
        store.turns.served(scene.queue, clock())  # so that the first submit need not save where the queue begins
        yield scene


def lost(proxy: FaultProxy, operation: str) -> Rule:
    return proxy.on(operation, DropAnswer())


async def test_submit(scene: Scene, proxy: FaultProxy) -> None:
    rule = lost(proxy, "PutItem")
    enqueued = await scene.store.requests.enqueue(scene.submission(connection="c1"))
    assert (rule.hits, proxy.applied["PutItem"]) == (1, 2)
    assert enqueued.created
    assert await scene.row(enqueued.job) == enqueued.job
    assert len(await scene.index(Kind.READY)) == 1


async def test_submit_of_what_ran_already_when_the_answer_is_asked_for_again(scene: Scene, proxy: FaultProxy) -> None:
    """Between the write and its repetition a worker may have taken the job: it is still this caller that made it."""
    proxy.on("PutItem", DropAnswer())
    held = proxy.on("PutItem", Answer(500, "InternalServerError"), call=2, onwards=True)
    with pytest.raises(StoreUnavailable):
        await scene.submit()
    assert held.hits
    proxy.clear()
    running = await scene.claim((await scene.store.requests.enqueue(scene.submission())).job)
    again = await scene.store.requests.enqueue(scene.submission())
    assert (again.created, again.job) == (False, running)
    with pytest.raises(DuplicateRequest):
        await scene.submit(payload=b"2")


async def test_claim(scene: Scene, proxy: FaultProxy) -> None:
    job = await scene.submit()
    rule = lost(proxy, "UpdateItem")
    running = await scene.claim(job, "session-a")
    assert (rule.hits, running.attempt, running.owner) == (1, 1, "session-a")
    assert await scene.row(job) == running
    assert await scene.store.requests.claim(job.job_id, scene.queue, "session-b") is None


async def test_progress(scene: Scene, proxy: FaultProxy) -> None:
    running = await scene.running()
    rule = lost(proxy, "UpdateItem")
    told = await scene.store.requests.save_progress(running, Progress(50), 3)
    assert (rule.hits, told.progress, told.seq) == (1, Progress(50), 3)


async def test_checkpoint(scene: Scene, proxy: FaultProxy) -> None:
    """The SDK's second try finds its own number on the row, which it may write again."""
    running = await scene.running()
    rule = lost(proxy, "UpdateItem")
    saved = await scene.store.requests.save_checkpoint(running, b'{"page":7}', 3, chunks=50)
    assert (rule.hits, proxy.applied["UpdateItem"]) == (1, 3)  # with the claim
    assert (saved.checkpoint, saved.kept, saved.seq) == (b'{"page":7}', (Kept(1, 50),), 3)
    assert await scene.row(running) == saved


async def test_a_checkpoint_that_is_made_again_after_later_progress(scene: Scene, proxy: FaultProxy) -> None:
    """The worker got no answer and asks again; its progress went through meanwhile."""
    running = await scene.running()
    proxy.on("UpdateItem", DropAnswer())
    held = proxy.on("UpdateItem", Answer(500, "InternalServerError"), call=2, onwards=True)
    with pytest.raises(StoreUnavailable):
        await scene.store.requests.save_checkpoint(running, b"7", 3, chunks=50)
    assert held.hits
    proxy.clear()
    await scene.store.requests.save_progress(running, Progress(50), 5)
    saved = await scene.store.requests.save_checkpoint(running, b"7", 3, chunks=50)
    assert (saved.checkpoint, saved.kept, saved.seq, saved.progress) == (b"7", (Kept(1, 50),), 5, Progress(50))


async def test_output(scene: Scene, proxy: FaultProxy) -> None:
    running = await scene.running()
    rule = lost(proxy, "PutItem")
    chunks = [Chunk(index, 1, index + 1, b'"line"') for index in range(3)]
    await scene.store.events.append_events(running, chunks)
    assert rule.hits == 1
    assert await scene.store.events.read_events(running, 0) == chunks


async def test_output_that_could_not_be_stored_is_appended_again(scene: Scene, proxy: FaultProxy) -> None:
    running = await scene.running()
    chunks = [Chunk(index, 1, index + 1, b'"line"') for index in range(3)]
    proxy.on("PutItem", Answer(500, "InternalServerError"), onwards=True)
    with pytest.raises(StoreUnavailable):
        await scene.store.events.append_events(running, chunks)
    proxy.clear()
    await scene.store.events.append_events(running, chunks)
    assert await scene.store.events.read_events(running, 0) == chunks


async def test_inbox(scene: Scene, proxy: FaultProxy) -> None:
    rules = [lost(proxy, "PutItem"), lost(proxy, "DeleteItem")]
    job = await scene.submit(durable=True)
    assert await scene.store.inbox.list(scene.tenant, scene.user, 10) == [job.job_id]
    await scene.store.inbox.remove(scene.tenant, scene.user, job.job_id)
    assert [rule.hits for rule in rules] == [1, 1]
    assert await scene.store.inbox.list(scene.tenant, scene.user, 10) == []


async def test_watched_counts_twice_and_harms_nobody(scene: Scene, proxy: FaultProxy) -> None:
    job = await scene.submit()
    rule = lost(proxy, "UpdateItem")
    assert (await scene.store.requests.watched(job)).watch_version == 2
    assert rule.hits == 1


async def test_complete(scene: Scene, proxy: FaultProxy) -> None:
    running = await scene.running()
    rule = lost(proxy, "UpdateItem")
    done = await scene.store.requests.complete(running, b'"done"', 3)
    assert (rule.hits, done.status, done.result) == (1, Status.COMPLETED, b'"done"')
    assert await scene.row(running) == done


async def test_complete_with_a_big_result(scene: Scene, proxy: FaultProxy) -> None:
    running = await scene.running()
    rules = [lost(proxy, "PutItem"), lost(proxy, "UpdateItem")]
    result = b'"' + bytes(range(97, 123)) * 4_000 + b'"'
    done = await scene.store.requests.complete(running, result, 3)
    assert [rule.hits for rule in rules] == [1, 1]
    assert done.result is not None
    assert await scene.store.requests.load(done, done.result) == result


async def test_retry(scene: Scene, proxy: FaultProxy) -> None:
    running = await scene.running(max_retries=3)
    rule = lost(proxy, "UpdateItem")
    job = await scene.store.requests.retry(running, OOPS, 3, scene.clock() + 1_000)
    assert (rule.hits, job.status, job.retry_count) == (1, Status.RETRYING, 1)
    assert await scene.row(running) == job


async def test_fail(scene: Scene, proxy: FaultProxy) -> None:
    running = await scene.running()
    rule = lost(proxy, "UpdateItem")
    assert (await scene.store.requests.fail(running, OOPS, 3)).status is Status.FAILED
    assert rule.hits == 1


@pytest.mark.parametrize(("verb", "cost"), [("release", 0), ("lost", 1)])
async def test_giving_back(scene: Scene, proxy: FaultProxy, verb: str, cost: int) -> None:
    running = await scene.running(max_retries=3)
    rule = lost(proxy, "UpdateItem")
    back = await getattr(scene.store.requests, verb)(running)
    assert (rule.hits, back.status, back.retry_count, back.seq) == (1, Status.PENDING, cost, SEQ_AFTER_LOSS)
    assert await scene.row(running) == back


async def test_cancel(scene: Scene, proxy: FaultProxy) -> None:
    waiting, running = await scene.submit("r1"), await scene.running("r2")
    for job, status in ((waiting, Status.CANCELLED), (running, Status.PROCESSING)):
        rule = lost(proxy, "UpdateItem")
        assert (await scene.cancel(job)).status is status
        assert rule.hits == 1
    assert (await scene.row(running)).cancel_requested_ms == scene.clock()


async def test_attach_and_reroute(scene: Scene, proxy: FaultProxy) -> None:
    job = await scene.submit()
    lost(proxy, "UpdateItem")
    attached = await scene.store.requests.attach(job.job_id, scene.tenant, scene.user, "c1")
    assert attached.routes == {"c1"}
    lost(proxy, "UpdateItem")
    assert (await scene.store.requests.reroute(attached, frozenset({"c2"}))).routes == {"c2"}


async def test_redrive(scene: Scene, proxy: FaultProxy) -> None:
    dead = await scene.store.requests.fail(await scene.running(), OOPS, 1)
    rules = [lost(proxy, "PutItem"), lost(proxy, "UpdateItem")]
    again = await scene.store.requests.redrive(dead.job_id)
    assert [rule.hits for rule in rules] == [1, 1]
    assert (await scene.row(dead)).redriven_as == again.job_id
    assert len(await scene.index(Kind.READY)) == 1


async def test_expire(scene: Scene, proxy: FaultProxy) -> None:
    """The claim is refused, the write of its time-out loses its answer: the outcome is still this caller's to send."""
    job = await scene.submit(start_within_ms=1)
    scene.clock.advance(1_000)
    rule = proxy.on("UpdateItem", DropAnswer(), call=2)
    expired = await scene.store.requests.claim(job.job_id, scene.queue, "s")
    assert rule.hits == 1
    assert expired is not None
    assert expired.status is Status.FAILED


@pytest.mark.parametrize("fault", [Reset(), Answer(500, "InternalServerError"), Answer(400, "ThrottlingException")])
async def test_what_was_not_applied_is_tried_again(scene: Scene, proxy: FaultProxy, fault: Reset | Answer) -> None:
    rules = [proxy.on("PutItem", fault), proxy.on("UpdateItem", fault)]
    running = await scene.running()
    assert [rule.hits for rule in rules] == [1, 1]
    assert running.attempt == 1


async def test_a_store_that_is_out_of_reach_is_unavailable_and_comes_back(scene: Scene, proxy: FaultProxy) -> None:
    running = await scene.running()
    proxy.on(ANY, Answer(503, "ServiceUnavailable"), onwards=True)
    for call in (
        scene.store.requests.enqueue(scene.submission("r2")),
        scene.store.requests.claim(running.job_id, scene.queue, "s"),
        scene.store.requests.complete(running, b"1", 1),
        scene.store.requests.get(running.job_id),
        scene.store.requests.save_checkpoint(running, b"1", 1),
        scene.store.events.read_events(running, 0),
        scene.store.check(),
    ):
        with pytest.raises(StoreUnavailable):
            await call
    proxy.clear()
    assert (await scene.store.requests.complete(running, b"1", 1)).status is Status.COMPLETED
