"""The store is away: at the start, for a while in the middle, or only its answers are lost."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.jobs import ids
from tests.support.dynamodb_local import DynamoDBLocal, environment
from tests.support.fault_proxy import DropAnswer, FaultProxy
from tests.support.store import Engine
from tests.support.system import System, system

OUTAGE_S = 15.0


@pytest.fixture
async def proxy(dynamodb_local: DynamoDBLocal) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(dynamodb_local.url) as proxy:
        yield proxy


@pytest.fixture
async def streamer(
    dynamodb_engine: Engine, proxy: FaultProxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[System]:
    """A system on DynamoDB whose processes reach the store through the proxy; the test itself does not."""
    for name, value in dynamodb_engine.environment.items():
        monkeypatch.setenv(name, value)
    own = replace(dynamodb_engine, table_prefix=f"e2e_{ids.nonce()}_")
    async with own.open() as store:
        await store.create()
    async with system(tmp_path, own, environment(proxy.url)) as running:
        yield running


async def test_a_system_that_starts_before_its_store(streamer: System, proxy: FaultProxy) -> None:
    proxy.cut(refuse=True)
    node, worker = streamer.start("app"), streamer.start("worker")
    url = await node.url()
    async with streamer.client(url) as client:
        await client.request("echo", {"message": "hi"}, "inline")
        assert (await client.outcome("inline"))["data"]["echo"] == {"message": "hi"}
        await client.request("steps", {"steps": 1}, "r1")
        refused = await client.outcome("r1")
        assert (refused["error"]["code"], refused["final"]) == ("STORAGE_ERROR", False)
        assert refused["error"]["retry"]["retryable"] is True
        proxy.heal()
        await worker.logged("worker_ready")
        assert (await client.insist("steps", {"steps": 1}, "r1"))["type"] == "acknowledgment"
        await client.expect("complete", request_id="r1")

    await streamer.check()


@pytest.mark.timeout(150)
async def test_an_outage_of_fifteen_seconds_kills_nobody(streamer: System, proxy: FaultProxy) -> None:
    node = await streamer.node()
    workers = [await streamer.worker(), await streamer.worker()]
    async with streamer.client(await node.url()) as client:
        await client.request("steps", {"steps": 250, "step_s": 0.1}, "long")
        await client.request("steps", {"steps": 1}, "later", options={"delay_seconds": 20})
        await client.expect("progress", request_id="long")
        await client.expect("acknowledgment", request_id="later")
        proxy.cut()
        await client.request("steps", {"steps": 1}, "unheard")
        await asyncio.wait(
            [asyncio.create_task(client.expect("acknowledgment", request_id="unheard"))], timeout=OUTAGE_S
        )
        assert not client.seen("acknowledgment", request_id="unheard")
        proxy.heal()
        assert (await client.insist("steps", {"steps": 1}, "unheard"))["type"] == "acknowledgment"
        for request_id in ("long", "later", "unheard"):
            await client.expect("complete", request_id=request_id, timeout_s=60)
        assert client.close_code is None

    assert (await streamer.row("long")).retry_count == 0  # nobody was declared dead for it
    given_up = {event["session"] for worker in workers for event in worker.events("session_late")}
    declared_dead = {event["node"] for worker in workers for event in worker.events("process_dead")}
    assert declared_dead <= given_up  # by the worker itself, which goes on under another id
    assert all(process.exit_code is None for process in streamer.processes)
    await streamer.check()


async def test_lost_answers_make_no_duplicate_and_lose_nothing(streamer: System, proxy: FaultProxy) -> None:
    node = await streamer.node()
    await streamer.worker()
    job_id = ids.job_id("acme", "ann", "r1")
    submit = proxy.on("PutItem", DropAnswer(), within=job_id)
    claim = proxy.on("UpdateItem", DropAnswer(), within=job_id)
    complete = proxy.on("UpdateItem", DropAnswer(), call=3, within=job_id)  # the second was the claim again
    async with streamer.client(await node.url()) as client:
        await client.request("steps", {"steps": 3, "say": "once"}, "r1")
        outcome = await client.expect("complete", request_id="r1")

    assert (outcome["attempt"], outcome["result"]["say"]) == (1, "once")
    assert [rule.hits for rule in (submit, claim, complete)] == [1, 1, 1]
    assert len(streamer.runs_of("r1")) == 1
    await streamer.check()
