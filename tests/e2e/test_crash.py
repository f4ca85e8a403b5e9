"""Workers that die, stand still or leave in the middle of a job: the client gets exactly one outcome."""

import pytest

from tests.support.metrics import metric
from tests.support.system import System
from tests.support.until import until

WALK = {"steps": 30, "step_s": 0.1, "say": "done"}


@pytest.mark.each_wakeup
async def test_a_killed_worker_costs_an_attempt_and_no_job(streamer: System) -> None:
    node = await streamer.node()
    workers = [await streamer.worker(), await streamer.worker()]
    async with streamer.client(await node.url()) as client:
        await client.request("steps", WALK, "r1")
        await client.expect("progress", request_id="r1")
        (await streamer.owner_of("r1", workers)).kill()
        outcome = await client.outcome("r1")

    assert (outcome["type"], outcome["attempt"], outcome["result"]["say"]) == ("complete", 2, "done")
    assert (await streamer.row("r1")).retry_count == 1
    lost = client.seen("retrying", request_id="r1")
    assert [(frame["attempt"], frame["error"]["code"]) for frame in lost] == [(1, "WORKER_LOST")]
    await streamer.check()


@pytest.mark.each_wakeup
async def test_a_worker_that_stood_still_for_too_long_drops_what_it_ran(streamer: System) -> None:
    node = await streamer.node()
    workers = [await streamer.worker(), await streamer.worker()]
    async with streamer.client(await node.url()) as client:
        await client.request("steps", WALK, "r1")
        await client.expect("progress", request_id="r1")
        sleeper = await streamer.owner_of("r1", workers)
        await streamer.freeze(sleeper)
        await streamer.running("r1", attempt=2)
        sleeper.thaw()
        await sleeper.logged("session_late")
        outcome = await client.outcome("r1")
        await client.request("steps", {"steps": 1}, "r2")
        assert (await client.outcome("r2"))["type"] == "complete"

    assert (outcome["type"], outcome["attempt"]) == ("complete", 2)
    await streamer.check()


async def test_what_a_zombie_writes_is_refused_and_what_it_says_is_dropped(streamer: System) -> None:
    node = await streamer.node()
    zombie = await streamer.worker(STREAMER_SESSION_DEAD_S="600")  # it will not notice that it was declared dead
    async with streamer.client(await node.url()) as client:
        await client.request("steps", {**WALK, "steps": 60}, "r1")
        await client.expect("progress", request_id="r1")
        await streamer.worker()
        await streamer.freeze(zombie)
        await streamer.running("r1", attempt=2)
        await until(lambda: any(frame["attempt"] == 2 for frame in client.seen("progress")))
        zombie.thaw()
        await zombie.logged("attempt_fenced")
        outcome = await client.outcome("r1")

    assert (outcome["type"], outcome["attempt"]) == ("complete", 2)
    assert await metric(node, 'streamer_frames_dropped_total{reason="stale"}') > 0
    await streamer.check()


@pytest.mark.each_wakeup
async def test_a_worker_that_is_told_to_leave_gives_jobs_back_at_no_cost(streamer: System) -> None:
    node = await streamer.node()
    workers = [await streamer.worker(STREAMER_GRACE_S="0.5"), await streamer.worker(STREAMER_GRACE_S="0.5")]
    async with streamer.client(await node.url()) as client:
        await client.request("steps", WALK, "r1")
        await client.expect("progress", request_id="r1")
        leaving = await streamer.owner_of("r1", workers)
        leaving.terminate()
        assert await leaving.ended() == 0, leaving.output()
        outcome = await client.outcome("r1")

    assert (outcome["type"], outcome["attempt"]) == ("complete", 2)
    assert (await streamer.row("r1")).retry_count == 0
    await streamer.check()


@pytest.mark.each_wakeup
async def test_a_worker_that_is_told_to_leave_finishes_what_it_can(streamer: System) -> None:
    node = await streamer.node()
    worker = await streamer.worker()
    async with streamer.client(await node.url()) as client:
        await client.request("steps", {"steps": 5, "step_s": 0.1}, "r1")
        await client.expect("progress", request_id="r1")
        worker.terminate()
        outcome = await client.outcome("r1")
        assert await worker.ended() == 0, worker.output()

    assert (outcome["type"], outcome["attempt"]) == ("complete", 1)
    await streamer.check()


async def test_a_job_that_kills_every_worker_fails_in_the_end(streamer: System) -> None:
    node = await streamer.node()
    async with streamer.client(await node.url()) as client:
        await client.request("steps", WALK, "r1")
        for attempt in range(1, 5):
            worker = await streamer.worker()
            await streamer.running("r1", attempt=attempt)
            worker.kill()
        last = await streamer.worker()
        outcome = await client.outcome("r1")
        await last.logged("process_dead")

    assert (outcome["type"], outcome["error"]["code"], outcome["attempt"]) == ("error", "WORKER_LOST", 4)
    await streamer.check()
