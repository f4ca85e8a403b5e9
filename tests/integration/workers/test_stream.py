"""Workers that read the stream of a DynamoDB server."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from streamer.context import Context
from streamer.jobs import ids
from streamer.jobs.model import Status
from streamer.store.open import open_store
from tests.integration.workers.stage import SHORT, FakeNode, Stage
from tests.support.dynamodb_local import DynamoDBLocal
from tests.support.until import until

BY_STREAM: dict[str, Any] = {"wakeups": frozenset({"stream"})}


@pytest.fixture
async def stage(dynamodb_local: DynamoDBLocal, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """A stage on tables of the test's own: a feed shows everything that is done to them."""
    for name, value in dynamodb_local.environment.items():
        monkeypatch.setenv(name, value)
    prefix = f"stream_{ids.nonce()[:8]}_"
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store("dynamodb", table_prefix=prefix))
        await store.create()
        node = await stack.enter_async_context(FakeNode().serving())
        stage = Stage(store, node, {**SHORT, **BY_STREAM, "store": "dynamodb", "table_prefix": prefix})
        await stack.enter_async_context(stage.node_alive())
        stage.action("double", double)
        yield stage
        await stage.close()


async def double(_ctx: Context, request: int) -> int:
    return 2 * request


def started_by_stream(stage: Stage) -> float:
    return stage.counted("start_delay_seconds_count", wakeup="stream")


async def reading(stage: Stage) -> None:
    """What comes from now on is shown by the stream; what came before the first cursor was found by a sweep."""

    async def is_reading() -> bool:
        await stage.finished(await stage.submit("double", 0, client_id=ids.nonce()))
        return started_by_stream(stage) > 0

    await until(is_reading)


async def test_a_job_is_started_by_the_stream_alone(stage: Stage) -> None:
    await stage.worker()
    await reading(stage)
    before = started_by_stream(stage)
    outcomes = stage.counted("stream_changes_total", kind="outbox")
    row = await stage.finished(await stage.submit("double", 4))
    assert row.status is Status.COMPLETED
    assert started_by_stream(stage) == before + 1
    await until(lambda: stage.counted("stream_changes_total", kind="outbox") > outcomes)


async def test_a_job_that_came_before_the_first_worker_is_found(stage: Stage) -> None:
    job = await stage.submit("double", 4)
    await stage.worker()
    assert (await stage.finished(job)).status is Status.COMPLETED


async def test_the_next_worker_reads_on_where_one_has_left(stage: Stage) -> None:
    first = await stage.worker()
    await reading(stage)
    await stage.stop(first)
    assert stage.counted("stream_shards") == 0
    job = await stage.submit("double", 2, client_id="r2")
    await stage.worker()
    assert (await stage.finished(job)).status is Status.COMPLETED
    assert stage.store.feeds is not None
    async with stage.store.feeds.open() as feed:
        positions = {lease.position for lease in await feed.leases()}
    assert "LATEST" not in positions


async def test_one_without_a_free_slot_passes_it_on(stage: Stage) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def hold(_ctx: Context, _request: int) -> None:
        begun.set()
        await go_on.wait()

    stage.action("hold", hold)
    await stage.worker(worker_slots=1)
    await reading(stage)
    await stage.submit("hold", 1)
    await begun.wait()
    await stage.worker()

    def completed() -> float:
        return stage.counted("attempts_total", action="double", outcome="complete")

    async def is_passed_on() -> bool:
        """From when the one that reads the stream knows of the other."""
        await stage.submit("double", 2, client_id=ids.nonce())
        return completed() > before

    before = completed()
    await until(is_passed_on)
    go_on.set()


async def test_an_outcome_whose_worker_died_before_it_was_sent_is_sent(stage: Stage) -> None:
    await stage.worker()
    await reading(stage)
    job = await stage.submit("of nobody here", 1)
    claimed = await stage.store.requests.claim(job.job_id, job.queue, "a session that is gone")
    assert claimed is not None
    await stage.store.requests.complete(claimed, b"42", claimed.seq)
    row = await stage.finished(job)
    assert stage.node.frames(job)[-1]["type"] == "complete"
    assert row.owner is None
    assert stage.counted("outcomes_resent_total") == 1
