"""Work is found whatever comes first: jobs or workers, a time or a free slot."""

import asyncio

import pytest

from tests.support.system import System

SLOTS = 4


@pytest.mark.each_wakeup
async def test_work_is_found_at_its_time_and_as_slots_become_free(streamer: System) -> None:
    url = await (await streamer.node()).url()
    async with streamer.client(url) as client:
        early = [f"early-{number}" for number in range(3 * SLOTS)]
        for name in early:
            await client.request("steps", {"steps": 2, "step_s": 0.05}, name)
            await client.expect("acknowledgment", request_id=name)
        await client.request("steps", {"steps": 1}, "delayed", options={"delay_seconds": 2})
        await streamer.worker(STREAMER_WORKER_SLOTS=str(SLOTS))
        await client.request("flaky", {"failures": 2, "after_s": 0.5}, "retried")
        late = [f"late-{number}" for number in range(3 * SLOTS)]
        await asyncio.gather(*(client.request("steps", {"steps": 2, "step_s": 0.05}, name) for name in late))
        outcomes = [await client.outcome(name) for name in (*early, *late, "delayed", "retried")]

    assert [outcome["type"] for outcome in outcomes] == ["complete"] * len(outcomes)
    assert outcomes[-1]["attempt"] == 3
    await streamer.check()


async def test_jobs_of_a_worker_that_died_go_on_elsewhere_without_a_sweep(streamer: System) -> None:
    patient = {"STREAMER_SWEEP_S": "600"}
    url = await (await streamer.node()).url()
    dying = await streamer.worker(**patient)
    names = [f"r{number}" for number in range(50)]
    async with streamer.client(url) as client:
        for name in names:
            await client.request("steps", {"steps": 300, "step_s": 0.1}, name)
        for name in names:
            await client.expect("progress", request_id=name)
        others = [await streamer.worker(**patient) for _ in range(2)]
        dying.kill()
        for name in names:
            await streamer.running(name, attempt=2)
        for name in names:
            await client.send({"type": "cancel", "request_id": name})
        codes = {(await client.outcome(name))["error"]["code"] for name in names}

    assert codes == {"CANCELLED"}
    pids = {run.rsplit(".", 1)[1] for name in names for run in streamer.runs_of(name) if run.startswith("2.")}
    assert pids <= {str(worker.pid) for worker in others}
    await streamer.check()
