"""Connections that come to listen while a job runs, and a job that moves to another worker."""

import asyncio

from streamer.cluster.registry import WORKER
from streamer.context import Context
from streamer.jobs.model import Job
from streamer.store.base import Subscription, now_ms
from tests.integration.workers.emitter import Emitter, chunks, logged
from tests.integration.workers.stage import Stage
from tests.support.until import until


async def test_a_flush_stores_what_was_emitted_and_lets_the_new_ones_in(stage: Stage, emitter: Emitter) -> None:
    worker = await stage.worker()
    job = await stage.submit("work", connection=None)
    await emitter.emit(3)
    late = stage.node.connection()
    row = await stage.store.requests.attach(job.job_id, "acme", "ann", late)
    arrival = {"id": job.job_id, "routes": [late], "at": {late: stage.node.node_id}, "watched": False}
    answer = await stage.call(worker, "flush", [arrival, {"id": "unknown", "routes": []}])
    assert answer == {"chunks": {job.job_id: 3}, "progress": {}}
    assert await logged(stage, row) == [0, 1, 2]
    assert stage.node.frames(job) == []
    await emitter.emit(1)
    await until(lambda: chunks(stage, job) == [(3, 3)])
    emitter.ends.set()
    await stage.finished(job)


async def test_a_flush_tells_of_progress_that_is_sent_and_not_written(stage: Stage) -> None:
    ends = asyncio.Event()

    async def work(ctx: Context) -> None:
        await ctx.progress(50, "half", rows=1)
        await ends.wait()

    stage.action("work", work)
    worker = await stage.worker()
    job = await stage.submit("work")
    await until(lambda: stage.node.frames(job))
    told = await stage.call(worker, "flush", [{"id": job.job_id, "routes": []}])
    newest = {"attempt": 1, "seq": 1, "percentage": 50.0, "message": "half", "metadata": {"rows": 1}, "chunks": 0}
    assert told == {"chunks": {job.job_id: 0}, "progress": {job.job_id: newest}}
    ends.set()
    await stage.finished(job)


async def watch(stage: Stage, job: Job) -> str:
    """Subscribes a connection of the fake node."""
    watcher = stage.node.connection()
    subscription = Subscription(
        job_id=job.job_id, connection_id=watcher, tenant="acme", user="bob", expires_ms=now_ms() + 60_000
    )
    await stage.store.subscriptions.subscribe(subscription)
    await stage.store.requests.watched(job)
    return watcher


async def test_a_watcher_that_comes_while_it_runs_gets_all_that_follows(stage: Stage, emitter: Emitter) -> None:
    worker = await stage.worker()
    job = await stage.submit("work")
    await emitter.emit(2)
    await until(lambda: len(chunks(stage, job)) == 2)
    watcher = await watch(stage, job)
    told = await stage.call(worker, "flush", [{"id": job.job_id, "routes": [], "at": {}, "watched": True}])
    assert told == {"chunks": {job.job_id: 2}, "progress": {}}
    await emitter.emit(1)
    emitter.ends.set()
    await stage.finished(job)
    heard = [each.frame["type"] for each in stage.node.delivered if watcher in each.meta["c"]]
    assert heard == ["chunk", "complete"]

    async def is_forgotten() -> bool:
        return not await stage.store.subscriptions.list_by_request(job.job_id)

    await until(is_forgotten)


async def test_a_watcher_of_whom_nobody_told_is_found_by_the_version_of_the_row(stage: Stage) -> None:
    steps: asyncio.Queue[int] = asyncio.Queue()

    async def work(ctx: Context) -> None:
        while (step := await steps.get()) < 100:
            await ctx.progress(step)

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work")
    steps.put_nowait(10)
    await until(lambda: stage.node.frames(job))
    watcher = await watch(stage, job)

    def is_told() -> bool:
        steps.put_nowait(50)
        return any(watcher in each.meta["c"] for each in stage.node.delivered)

    await until(is_told)
    steps.put_nowait(100)
    await stage.finished(job)


async def test_watchers_hear_of_a_retry_and_of_the_next_attempt(stage: Stage, emitter: Emitter) -> None:
    emitter.fails = True
    await stage.worker()
    job = await stage.submit("work", max_retries=1, connection=None)
    await until(lambda: emitter.started == [1])
    watcher = await watch(stage, job)
    emitter.ends.set()
    await stage.finished(job)
    assert [each.frame["type"] for each in stage.node.delivered if watcher in each.meta["c"]] == [
        "retrying",
        "complete",
    ]


async def test_what_a_leaving_worker_gives_back_is_run_by_another_at_once(stage: Stage, emitter: Emitter) -> None:
    leaving = await stage.worker(grace_s=0)
    job = await stage.submit("work")
    await until(lambda: emitter.started == [1])
    other = await stage.worker(sweep_s=3600)
    await until(lambda: leaving.parts.rescue._peers[WORKER].get(other.session_id) is not None)
    await stage.stop(leaving)
    await until(lambda: emitter.started == [1, 2])
    emitter.ends.set()
    assert (await stage.finished(job)).attempt == 2
