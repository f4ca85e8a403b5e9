"""An operator at any node sees what runs where, stops it, and runs a dead letter again."""

from dataclasses import dataclass
from typing import Any

import aiohttp

from tests.support.system import System
from tests.support.until import until
from tests.support.wire import token


@dataclass
class Operator:
    """Calls a node, across tenants."""

    url: str

    async def call(self, path: str, method: str = "GET") -> Any:
        bearer = token("olga", "ops", "admin:read", "admin:write")
        headers = {"Authorization": f"Bearer {bearer}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.request(method, f"{self.url}/v1/admin/{path}") as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def jobs(self, status: str) -> Any:
        return (await self.call(f"jobs?status={status}"))["jobs"]


async def test_what_runs_is_seen_and_stopped_from_another_node(streamer: System) -> None:
    near, far = await streamer.node(), await streamer.node()
    await streamer.worker()
    operator = Operator(await far.url())
    async with streamer.client(await near.url()) as client:
        await client.request("stream", {"chunks": 1_000, "chunk_s": 0.1, "size": 4}, "r1")
        row = await streamer.running("r1")
        [job] = await until(lambda: operator.jobs("running"))
        assert (job["job_id"], job["user"], job["tenant"], job["worker"]) == (row.job_id, "ann", "acme", row.owner)

        async def seen() -> Any:
            found = await operator.call("overview")
            is_known = len(found["nodes"]) == 2 and [each["running"] for each in found["workers"]] == [1]
            return found if is_known else None

        overview = await until(seen)
        assert [each["worker_id"] for each in overview["workers"]] == [row.owner]
        assert overview["queues"][0]["running"] == 1

        assert await operator.call(f"jobs/{row.job_id}/cancel", "POST") == {"status": "CANCELLING"}
        assert (await client.outcome("r1"))["error"]["code"] == "CANCELLED"
    await streamer.check()


async def test_a_dead_letter_is_run_again(streamer: System) -> None:
    node = await streamer.node()
    await streamer.worker()
    operator = Operator(await node.url())
    async with streamer.client(await node.url()) as client:
        await client.request("flaky", {"failures": 9}, "r1")
        assert (await client.outcome("r1"))["error"]["code"] == "PROCESSING_FAILED"
    [dead] = await until(lambda: operator.jobs("dead"))
    again = await operator.call(f"jobs/{dead['job_id']}/redrive", "POST")

    async def is_dead_too() -> Any:
        return [job["job_id"] for job in await operator.jobs("dead")] == [again["job_id"]]

    await until(is_dead_too, timeout_s=30)
    assert (await operator.call(f"jobs/{dead['job_id']}"))["redriven_as"] == again["job_id"]
    await streamer.check()
