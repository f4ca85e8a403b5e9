"""What the next attempt goes on from, and which output stands."""

import asyncio
from typing import Any

from streamer.context import Context
from streamer.errors import Retry
from tests.integration.workers.cut import Cut
from tests.integration.workers.emitter import Emitter, chunks, logged, metas
from tests.integration.workers.stage import Stage
from tests.support.until import until


async def test_a_worker_that_dies_before_the_outcome_leaves_output_that_is_void(stage: Stage) -> None:
    runs: list[tuple[int, Any]] = []

    async def work(ctx: Context) -> int:
        runs.append((ctx.attempt, ctx.checkpoint))
        await ctx.emit(f"by {ctx.attempt}")
        return ctx.attempt

    stage.action("work", work)
    cut = Cut(stage.store)
    cut.last = "complete"
    await stage.worker(store=cut.store)
    job = await stage.submit("work", max_retries=1)
    await until(lambda: cut.is_away)
    assert await logged(stage, await stage.row(job)) == ["by 1"]
    await stage.worker()
    row = await stage.finished(job)
    assert (row.attempt, row.chunks, await logged(stage, row)) == (2, 1, ["by 2"])
    assert runs == [(1, None), (2, None)]
    (lost,) = [frame for frame in stage.node.frames(job) if frame["type"] == "retrying"]
    assert lost["continues_from"] == 0
    assert chunks(stage, job, attempt=2) == [(0, "by 2")]
    cut.last, cut.is_away = "", False
    await until(lambda: stage.counted("attempts_total", action="work", outcome="fenced") == 1)


async def test_a_worker_that_dies_after_a_checkpoint_leaves_output_that_stands(stage: Stage) -> None:
    async def work(ctx: Context) -> Any:
        start = ctx.checkpoint or 0
        for number in range(start, 4):
            await ctx.emit([ctx.attempt, number])
            if number == 1:
                await ctx.save_checkpoint(number + 1)
        return start

    stage.action("work", work)
    cut = Cut(stage.store)
    cut.last = "complete"
    await stage.worker(store=cut.store)
    job = await stage.submit("work", max_retries=1)
    await until(lambda: cut.is_away)
    await stage.worker()
    row = await stage.finished(job)
    assert (row.attempt, row.result, row.chunks) == (2, b"2", 4)
    assert await logged(stage, row) == [[1, 0], [1, 1], [2, 2], [2, 3]]
    (lost,) = [frame for frame in stage.node.frames(job) if frame["type"] == "retrying"]
    assert lost["continues_from"] == 2
    assert [meta["h"] for meta in metas(stage, job, "retrying")] == [2]
    assert chunks(stage, job, attempt=2) == [(2, [2, 2]), (3, [2, 3])]
    cut.last, cut.is_away = "", False
    await until(lambda: stage.counted("attempts_total", action="work", outcome="fenced") == 1)


async def test_checkpoints_of_several_attempts_add_up(stage: Stage) -> None:
    async def work(ctx: Context) -> Any:
        start = ctx.checkpoint or 0
        await ctx.emit([ctx.attempt, start])
        await ctx.emit([ctx.attempt, start + 1])
        await ctx.save_checkpoint(start + 2)
        await ctx.emit("void, unless this attempt is the last")
        if ctx.attempt < 3:
            raise Retry
        return "done"

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work", max_retries=2)
    row = await stage.finished(job)
    whole = [[1, 0], [1, 1], [2, 2], [2, 3], [3, 4], [3, 5], "void, unless this attempt is the last"]
    assert (row.chunks, await logged(stage, row)) == (7, whole)
    assert [meta["h"] for meta in metas(stage, job, "retrying")] == [2, 4]


async def test_a_retry_does_not_wait_for_output_that_is_void(stage: Stage, emitter: Emitter) -> None:
    emitter.fails = True
    cut = Cut(stage.store)
    cut.refused = {"append_events"}
    await stage.worker(store=cut.store)
    job = await stage.submit("work", max_retries=1)
    await emitter.emit(2)
    emitter.ends.set()
    await until(lambda: emitter.started == [1, 2])
    cut.refused.clear()
    row = await stage.finished(job)
    assert (row.attempt, row.chunks, await logged(stage, row)) == (2, 0, [])


async def test_what_a_zombie_appends_harms_nobody(stage: Stage, emitter: Emitter) -> None:
    cut = Cut(stage.store)
    zombie = await stage.worker(store=cut.store)
    job = await stage.submit("work", max_retries=1)
    await emitter.emit(1)
    await stage.store.requests.lost(await stage.row(job))
    zombie.stop()
    await stage.worker()
    await until(lambda: emitter.started == [1, 2])
    await until(lambda: "append_events" in cut.calls)
    emitter.wanted = 2
    await until(lambda: cut.calls.count("append_events") == 2)
    await until(lambda: len(chunks(stage, job, attempt=2)) == 2)
    emitter.ends.set()
    row = await stage.finished(job)
    assert (row.attempt, row.chunks, await logged(stage, row)) == (2, 2, [0, 1])
    await until(lambda: stage.counted("attempts_total", action="work", outcome="fenced") == 1)


async def test_a_checkpoint_that_is_fenced_ends_the_attempt(stage: Stage) -> None:
    go, goes_on = asyncio.Event(), asyncio.Event()

    async def work(ctx: Context) -> int:
        if ctx.attempt == 1:
            await go.wait()
            await ctx.save_checkpoint("stale")
            goes_on.set()
        return ctx.attempt

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work", max_retries=1)

    async def is_running() -> bool:
        return (await stage.row(job)).attempt == 1

    await until(is_running)
    await stage.store.requests.lost(await stage.row(job))
    go.set()
    row = await stage.finished(job)
    assert (row.attempt, row.checkpoint) == (2, None)
    assert not goes_on.is_set()
    assert stage.counted("attempts_total", action="work", outcome="fenced") == 1
