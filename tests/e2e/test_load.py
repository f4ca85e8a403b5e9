"""Many at once: nothing acknowledged is lost, nothing is told twice."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.support.system import System

CONNECTIONS = 50
JOBS_EACH = 20


@pytest.mark.alone
@pytest.mark.timeout(240)
async def test_a_thousand_jobs_over_fifty_connections(streamer: System) -> None:
    urls = [await (await streamer.node()).url() for _ in range(2)]
    patient = {"STREAMER_SESSION_BEAT_S": "2", "STREAMER_SESSION_DEAD_S": "10"}  # the store will be busy
    workers = [await streamer.worker(**patient), await streamer.worker(**patient)]
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(streamer.client(urls[number % 2], f"c{number}"))
            for number in range(CONNECTIONS)
        ]

        names = [(client, f"{number}.{job}") for number, client in enumerate(clients) for job in range(JOBS_EACH)]
        await asyncio.gather(
            *(client.insist("steps", {"steps": 2, "step_s": 0.1, "say": name}, name) for client, name in names)
        )
        for client, name in names:
            outcome = await client.expect("complete", request_id=name, timeout_s=200)
            assert outcome["result"]["say"] == name

    assert len(streamer.ledger.acknowledged) == CONNECTIONS * JOBS_EACH
    assert len({path.name.rsplit(".", 2)[0] for path in streamer.runs.iterdir()}) == CONNECTIONS * JOBS_EACH
    shares = [len(list(streamer.runs.glob(f"*.{worker.pid}"))) for worker in workers]
    assert all(shares), f"one worker did it all: {shares}"
    await streamer.check()
