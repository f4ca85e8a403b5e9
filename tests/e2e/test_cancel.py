"""A client changes its mind: about a job that waits, and about one that runs."""

import pytest

from tests.support.system import System


@pytest.mark.each_wakeup
async def test_a_running_job_is_stopped(streamer: System) -> None:
    url = await (await streamer.node()).url()
    await streamer.worker()
    async with streamer.client(url) as client:
        await client.request("steps", {"steps": 600, "step_s": 0.1}, "r1")
        await client.expect("progress", request_id="r1")
        await client.send({"type": "cancel", "request_id": "r1"})
        cancelling = await client.expect("cancelling", request_id="r1")
        outcome = await client.outcome("r1")

    assert cancelling["status"] == "PROCESSING"
    assert (outcome["error"]["code"], outcome["final"]) == ("CANCELLED", True)
    assert (await streamer.row("r1")).status == "CANCELLED"
    await streamer.check()


async def test_a_waiting_job_is_cancelled_for_everybody_who_waits(streamer: System) -> None:
    urls = [await (await streamer.node()).url() for _ in range(2)]
    async with streamer.client(urls[0], "c1") as one, streamer.client(urls[1], "c2") as two:
        for client in (one, two):
            await client.request("steps", {"steps": 1}, "r1")
            await client.expect("acknowledgment", request_id="r1")
        await two.send({"type": "cancel", "request_id": "r1"})
        codes = [(await client.outcome("r1"))["error"]["code"] for client in (one, two)]

    assert codes == ["CANCELLED", "CANCELLED"]
    await streamer.check()
