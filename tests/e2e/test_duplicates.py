"""One id is one job, from wherever and however often it is submitted; and only within one user of one tenant."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.support.system import System

SLOW = {"steps": 20, "step_s": 0.1, "say": "mine"}


@pytest.mark.each_wakeup
async def test_fifty_submits_of_one_id_on_five_connections_of_two_nodes(streamer: System) -> None:
    urls = [await (await streamer.node()).url() for _ in range(2)]
    await streamer.worker()
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(streamer.client(urls[number % 2], f"c{number}")) for number in range(5)
        ]
        submits = [client.request("steps", SLOW, "same") for client in clients for _ in range(10)]
        await asyncio.gather(*submits)
        for client in clients:
            await client.expect("acknowledgment", request_id="same")
        await clients[3].request("steps", SLOW | {"say": "another"}, "same")
        refused = await clients[3].expect("error", request_id="same")
        outcomes = [await client.expect("complete", request_id="same") for client in clients]

    assert (refused["error"]["code"], refused["final"]) == ("DUPLICATE_REQUEST", False)
    assert [outcome["result"]["say"] for outcome in outcomes] == ["mine"] * 5
    assert len({outcome["job_id"] for outcome in outcomes}) == 1
    assert [len(client.seen("acknowledgment")) for client in clients] == [10] * 5
    assert [len(client.seen("complete")) for client in clients] == [1] * 5
    assert len(streamer.runs_of("same")) == 1
    await streamer.check()


@pytest.mark.each_wakeup
async def test_tenants_and_users_do_not_meet_in_an_id(streamer: System) -> None:
    url = await (await streamer.node()).url()
    await streamer.worker()
    who = [("t1", "ann", "1x"), ("t11", "ann", "x"), ("t2", "ann", "1x"), ("t1", "bob", "1x")]
    async with AsyncExitStack() as stack:
        outcomes = []
        for tenant, user, request_id in who:
            client = streamer.client(url, f"{tenant}-{user}-{request_id}", tenant=tenant, user=user)
            await stack.enter_async_context(client)
            say = f"{tenant} {user} {request_id}"
            await client.request("steps", {"steps": 1, "say": say}, request_id)
            outcome = await client.outcome(request_id)
            outcomes.append((outcome["job_id"], outcome["result"]["say"] == say))
        stranger = await stack.enter_async_context(streamer.client(url, "stranger", tenant="t3"))
        await stranger.send({"type": "cancel", "request_id": "1x"})
        refused = await stranger.expect("error", request_id="1x")

    assert len({job_id for job_id, _ in outcomes}) == 4
    assert all(is_own for _, is_own in outcomes)
    assert refused["error"]["code"] == "NOT_FOUND"
    await streamer.check()


@pytest.mark.each_wakeup
async def test_a_finished_request_is_told_again_and_not_run_again(streamer: System) -> None:
    url = await (await streamer.node()).url()
    await streamer.worker()
    payload = {"steps": 1, "say": "once"}
    async with streamer.client(url, "first") as first:
        await first.request("steps", payload, "r1")
        await first.outcome("r1")
    async with streamer.client(url, "second") as second:
        await second.request("steps", payload, "r1")
        acknowledged = await second.expect("acknowledgment", request_id="r1")
        outcome = await second.outcome("r1")

    assert acknowledged["state"] == "COMPLETED"
    assert outcome["result"] == {"say": "once", "attempt": 1}
    assert len(streamer.runs_of("r1")) == 1
    await streamer.check()
