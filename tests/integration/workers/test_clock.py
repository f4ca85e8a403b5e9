"""A worker whose wall clock is wrong."""

from streamer.context import Context
from streamer.jobs.model import Status
from tests.integration.workers.cut import Cut
from tests.integration.workers.stage import Stage
from tests.support.until import until


async def test_it_claims_nothing_and_is_not_ready_until_it_is_right(stage: Stage) -> None:
    async def work(ctx: Context) -> int:
        return ctx.attempt

    stage.action("work", work)
    cut = Cut(stage.store)
    cut.clock_offset_s = -9.0
    worker = stage.start(stage.made(store=cut.store, wakeups=("direct",), sweep_s=600))
    await until(lambda: stage.counted("clock_offset_seconds") == -9.0)
    job = await stage.submit("work")
    assert (await stage.hint(worker, job))["taken"] == []
    was_ready = worker.is_ready
    assert (await stage.row(job)).status is Status.PENDING

    cut.clock_offset_s = 0.4
    assert (await stage.finished(job)).status is Status.COMPLETED
    assert (was_ready, worker.is_ready) == (False, True)
    assert stage.counted("clock_offset_seconds") == 0.4
