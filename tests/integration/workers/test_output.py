"""Output, from a handler to the log, the row, and the frames that a node receives."""

import asyncio
from typing import Any

import pytest

from streamer.context import Context
from streamer.errors import ActionError
from streamer.jobs.model import Status
from tests.integration.workers.cut import Cut
from tests.integration.workers.emitter import Emitter, chunks, logged, metas
from tests.integration.workers.stage import Stage
from tests.support.until import until
from workers.output import MAX_UNSTORED_BYTES

# --- order --------------------------------------------------------------------------------------------------


async def test_output_is_sent_in_order_and_stored_and_counted_by_the_outcome(stage: Stage) -> None:
    async def work(ctx: Context) -> str:
        for number in range(5):
            await ctx.progress(10 * number)
            await ctx.emit({"row": number})
        return "done"

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work")
    row = await stage.finished(job)
    rows = [{"row": number} for number in range(5)]
    assert chunks(stage, job) == list(enumerate(rows))
    assert await logged(stage, row) == rows
    frames = stage.node.frames(job)
    assert (row.chunks, frames[-1]["type"], frames[-1]["chunks"]) == (5, "complete", 5)
    numbers = [frame["seq"] for frame in frames]
    assert numbers == sorted(set(numbers))
    assert row.seq == numbers[-1]


async def test_every_frame_says_how_much_output_came_before_it(stage: Stage, emitter: Emitter) -> None:
    await stage.worker()
    job = await stage.submit("work")
    await emitter.emit(3)
    emitter.ends.set()
    await stage.finished(job)
    assert [meta.get("h", 0) for meta in metas(stage, job, "chunk")] == [0, 1, 2]
    assert [meta["h"] for meta in metas(stage, job, "outcome")] == [3]


async def test_a_thread_emits_and_saves_a_checkpoint(stage: Stage) -> None:
    def work(ctx: Context) -> Any:
        start = ctx.checkpoint or 0
        for number in range(start, 4):
            ctx.emit({"by": ctx.attempt, "n": number})
            if number == 1:
                ctx.save_checkpoint(2)
                raise RuntimeError("once")
        return start

    stage.action("work", work)
    await stage.worker()
    job = await stage.submit("work", max_retries=1)
    row = await stage.finished(job)
    assert (row.status, row.result, row.chunks) == (Status.COMPLETED, b"2", 4)
    assert [(each["by"], each["n"]) for each in await logged(stage, row)] == [(1, 0), (1, 1), (2, 2), (2, 3)]


# --- the log before the outcome -----------------------------------------------------------------------------


async def test_an_outcome_is_not_written_before_all_output_is_stored(stage: Stage, emitter: Emitter) -> None:
    cut = Cut(stage.store)
    gate = cut.hold("append_events")
    await stage.worker(store=cut.store)
    job = await stage.submit("work")
    await emitter.emit(3)
    emitter.ends.set()
    await until(lambda: "append_events" in cut.calls)
    await until(lambda: len(chunks(stage, job)) == 3)
    assert "complete" not in cut.calls
    assert (await stage.row(job)).status is Status.PROCESSING
    gate.set()
    row = await stage.finished(job)
    assert (row.chunks, await logged(stage, row)) == (3, [0, 1, 2])
    assert cut.calls.index("append_events") < cut.calls.index("complete")


@pytest.mark.parametrize("how", ["fails", "fails for good", "is cancelled"])
async def test_any_outcome_says_how_much_output_there_is(stage: Stage, how: str) -> None:
    async def work(ctx: Context) -> None:
        await ctx.emit("one")
        if how == "fails":
            raise RuntimeError
        if how == "fails for good":
            raise ActionError("NO", "No.")
        await asyncio.Event().wait()

    stage.action("work", work)
    worker = await stage.worker()
    job = await stage.submit("work")
    await until(lambda: chunks(stage, job))
    if how == "is cancelled":
        await stage.store.requests.cancel("acme", "ann", "r1")
        await stage.call(worker, "cancel", [job.job_id])
    row = await stage.finished(job)
    assert (row.chunks, await logged(stage, row)) == (1, ["one"])
    assert [meta["h"] for meta in metas(stage, job, "outcome")] == [1]


async def test_nothing_is_lost_while_the_store_is_away_or_its_answers_are(stage: Stage, emitter: Emitter) -> None:
    cut = Cut(stage.store)
    cut.refused, cut.lost = {"append_events"}, {"append_events": 1}
    await stage.worker(store=cut.store)
    job = await stage.submit("work")
    await emitter.emit(3)
    await until(lambda: cut.calls.count("append_events") >= 2)
    await emitter.emit(2)
    cut.refused.clear()
    emitter.ends.set()
    row = await stage.finished(job)
    assert (row.chunks, await logged(stage, row)) == (5, [0, 1, 2, 3, 4])


async def test_a_handler_waits_for_the_log_and_never_for_a_lane(stage: Stage) -> None:
    size = MAX_UNSTORED_BYTES // 2
    emitted: list[int] = []

    async def work(ctx: Context) -> None:
        for number in range(6):
            await ctx.emit("x" * (size - 2))
            emitted.append(number)

    stage.action("work", work)
    cut = Cut(stage.store)
    gate = cut.hold("append_events")
    await stage.worker(store=cut.store)
    job = await stage.submit("work", connection="nobody.here")
    await until(lambda: "append_events" in cut.calls)
    assert len(emitted) < 3
    gate.set()

    async def is_over() -> bool:
        return (await stage.row(job)).finished

    await until(is_over)
    assert (await stage.row(job)).chunks == 6
