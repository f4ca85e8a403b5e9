"""All clients of a node come back at once."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.support.metrics import metric
from tests.support.processes import Process
from tests.support.system import System
from tests.support.until import until
from tests.support.wire import WireClient

CLIENTS = {"sqlite": 150, "dynamodb": 40}  # what two cores, and DynamoDB Local on them, hold
JOBS_EACH = 5
CALLS_PER_CLIENT = 3  # re-bind, one read of all rows, the inbox


@pytest.mark.alone
@pytest.mark.timeout(240)
async def test_every_client_of_a_node_that_dies_resumes_at_another(streamer: System) -> None:
    first, second = await streamer.node(), await streamer.node()
    count = CLIENTS[streamer.engine.name]
    patient = {"STREAMER_SESSION_BEAT_S": "2", "STREAMER_SESSION_DEAD_S": "10", "STREAMER_WORKER_SLOTS": "1000"}
    await streamer.worker(**patient, STREAMER_PROGRESS_PERSIST_MS="10000")
    walk = {"steps": 40, "step_s": 1.0}
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(streamer.client(await first.url(), f"c{number}", user=f"u{number}"))
            for number in range(count)
        ]
        await asyncio.gather(
            *(client.insist("steps", walk, f"r{job}") for client in clients for job in range(JOBS_EACH))
        )
        await asyncio.gather(
            *(client.expect("progress", request_id=f"r{JOBS_EACH - 1}", timeout_s=60) for client in clients)
        )
        before = await store_calls(second)
        first.kill()
        await until(lambda: all(client.close_code is not None for client in clients), timeout_s=60)
        url = await second.url()
        back = await asyncio.gather(*(resume(stack, streamer, url, client) for client in clients))
        calls = await store_calls(second) - before
        for client in back:
            for job in range(JOBS_EACH):
                assert (await client.outcome(f"r{job}", timeout_s=120))["type"] == "complete"
    assert 2 * count <= calls <= CALLS_PER_CLIENT * count
    await streamer.check()


async def resume(stack: AsyncExitStack, streamer: System, url: str, old: WireClient) -> WireClient:
    streamer.ledger.lost(old.name)
    client = streamer.client(url, f"{old.name} again", user=f"u{old.name[1:]}")
    await stack.enter_async_context(client)
    requests = []
    for job in range(JOBS_EACH):
        about = old.seen("acknowledgment", "progress", request_id=f"r{job}")
        attempt, seq = max((frame["attempt"], frame["seq"]) for frame in about)
        requests.append({"request_id": f"r{job}", "attempt": attempt, "seq": seq})
    await client.resume(requests, connection_id=old.welcome["connection_id"], n=1)
    resumed = await client.expect("resumed", timeout_s=60)
    assert len(resumed["requests"]) == JOBS_EACH
    return client


async def store_calls(node: Process) -> float:
    """How often this node asked the store on behalf of a client."""
    verbs = ("rebind_connection", "read", "list_inbox", "attach", "read_events", "save_connection")
    return sum([await metric(node, f'streamer_store_seconds_count{{verb="{verb}"}}') for verb in verbs])
