"""Jobs that start jobs, on a real store with real workers."""

from typing import Any

import pytest

from streamer.context import Context, Submitted
from streamer.errors import DuplicateRequest, InvalidAction, InvalidPayload, Retry
from streamer.jobs import ids
from streamer.jobs.model import Job, Status
from tests.integration.workers.stage import Stage
from tests.support.until import until


async def child(stage: Stage, submitted: Submitted) -> Job:
    """Its row, once it has an outcome."""

    async def outcome() -> Job | None:
        row = await stage.store.requests.get(submitted.job_id)
        return row if row is not None and row.finished else None

    return await until(outcome)


class Children:
    """The action `child`: notes who started it. The action `parent`: starts some by `start`."""

    def __init__(self, stage: Stage) -> None:
        self.ran: list[tuple[str, Any]] = []
        stage.action("child", self._child)

    async def _child(self, ctx: Context, n: int) -> int:
        self.ran.append((ctx.request_id, n))
        return n


@pytest.fixture
def children(stage: Stage) -> Children:
    return Children(stage)


async def test_a_job_starts_another_of_its_user(stage: Stage, children: Children) -> None:
    started: list[Submitted] = []

    async def parent(ctx: Context) -> None:
        started.append(await ctx.submit("child", 7, metadata={"of": ctx.request_id}))

    stage.action("parent", parent)
    await stage.worker(sweep_s=60.0)  # told, not found
    job = await stage.submit("parent")
    await stage.hint(next(iter(stage.running)), job)
    await stage.finished(job)
    row = await child(stage, started[0])
    assert (row.tenant, row.user, row.client_id) == (job.tenant, job.user, f"{job.job_id}.1")
    assert (row.metadata, row.status) == ({"of": "r1"}, Status.COMPLETED)
    assert children.ran == [(f"{job.job_id}.1", 7)]


async def test_from_a_thread(stage: Stage, children: Children) -> None:
    def parent(ctx: Context) -> str:
        return ctx.submit("child", 7).request_id

    stage.action("parent", parent)
    await stage.worker()
    job = await stage.submit("parent")
    await stage.finished(job)
    await until(lambda: children.ran == [(f"{job.job_id}.1", 7)])


async def test_an_attempt_that_runs_again_finds_what_the_one_before_started(stage: Stage, children: Children) -> None:
    async def parent(ctx: Context) -> None:
        for number in range(3):
            await ctx.submit("child", number)
            if ctx.attempt == 1 and number == 1:
                raise Retry

    stage.action("parent", parent, retries=1)
    await stage.worker()
    job = await stage.submit("parent", max_retries=1)
    assert (await stage.finished(job)).attempt == 2
    started = [Submitted(f"{job.job_id}.{n}", ids.job_id("acme", "ann", f"{job.job_id}.{n}")) for n in (1, 2, 3)]
    for each in started:
        assert (await child(stage, each)).attempt == 1
    assert sorted(children.ran) == [(each.request_id, n) for n, each in enumerate(started)]


async def test_a_handler_is_told_what_cannot_be(stage: Stage, children: Children) -> None:
    errors: list[str] = []

    async def parent(ctx: Context) -> None:
        for action, payload, error in [("gone", 1, InvalidAction), ("child", "x", InvalidPayload)]:
            with pytest.raises(error) as raised:
                await ctx.submit(action, payload, id="one")
            errors.append(raised.value.code)
        await ctx.submit("child", 1, id="one")
        await ctx.submit("child", 1, id="one")
        with pytest.raises(DuplicateRequest) as again:
            await ctx.submit("child", 2, id="one")
        errors.append(again.value.code)

    stage.action("parent", parent)
    await stage.worker()
    await stage.finished(await stage.submit("parent"))
    assert errors == ["INVALID_ACTION", "VALIDATION_ERROR", "DUPLICATE_REQUEST"]
    await until(lambda: children.ran == [("one", 1)])


async def test_another_worker_is_told_where_the_own_one_is_full(stage: Stage, children: Children) -> None:
    async def parent(ctx: Context) -> None:
        async def told() -> Any:  # again and again: its worker learns of the other one at its next look
            await ctx.submit("child", 7, id="one")
            return children.ran

        await until(told)

    stage.action("parent", parent)
    full = await stage.worker(worker_slots=1, sweep_s=60.0)
    await stage.worker(sweep_s=60.0)
    job = await stage.submit("parent")
    await stage.hint(full, job)
    await stage.finished(job)
    assert children.ran == [("one", 7)]
