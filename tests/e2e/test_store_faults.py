"""DynamoDB fails in every way that it has: each is bounded, and nobody has to be started again."""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamer.jobs import ids
from tests.support import dynamodb_local as local
from tests.support.dynamodb_local import DynamoDBLocal
from tests.support.fault_proxy import ANY, Answer, Fault, FaultProxy, Hang, Reset
from tests.support.store import Engine
from tests.support.system import SETTINGS, System, system
from tests.support.until import until
from tests.support.wire import WireClient

WALK = {"steps": 40, "step_s": 0.1, "say": "done"}
THROTTLED: Fault = Answer(400, "ThrottlingException")
FAULTS: Mapping[str, Fault] = {
    "error": Answer(500, "InternalServerError"),
    "away": Answer(503, "ServiceUnavailable"),
    "throttled": THROTTLED,
    "index": Answer(400, "ProvisionedThroughputExceededException"),
    "reset": Reset(),
    "silence": Hang(),
}
THROTTLED_S = 6.0
CALLS_PER_BEAT = 30


@pytest.fixture
async def proxy(dynamodb_local: DynamoDBLocal) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(dynamodb_local.url) as proxy:
        yield proxy


def through(proxy: FaultProxy) -> Mapping[str, str]:
    """What makes a process reach the store by this proxy."""
    return local.environment(proxy.url)


@pytest.mark.timeout(120)
async def test_each_fault_refuses_a_submit_for_now_and_costs_an_attempt_nothing(
    on_dynamodb: System, proxy: FaultProxy
) -> None:
    node = await on_dynamodb.node(**through(proxy))
    await on_dynamodb.worker(**through(proxy))
    async with on_dynamodb.client(await node.url()) as client:
        await asyncio.gather(*(meet(on_dynamodb, client, proxy, name) for name in FAULTS))

    rows = [await on_dynamodb.row(name) for name in FAULTS]
    assert [(row.status, row.attempt, row.retry_count) for row in rows] == [("COMPLETED", 1, 0)] * len(FAULTS)
    assert [len(on_dynamodb.runs_of(name)) for name in FAULTS] == [1] * len(FAULTS)
    await on_dynamodb.check()


async def meet(streamer: System, client: WireClient, proxy: FaultProxy, name: str) -> None:
    """One job meets one fault: at its submit, then from its first progress until after it returned its result."""
    job_id, walk = ids.job_id("acme", "ann", name), {"steps": 30, "step_s": 0.1, "say": name}
    submitting = proxy.on("PutItem", FAULTS[name], onwards=True, within=job_id)
    await client.request("steps", walk, name)
    refused = await client.outcome(name)
    assert (refused["error"]["code"], refused["final"]) == ("STORAGE_ERROR", False)
    assert refused["error"]["retry"]["retryable"] is True
    proxy.off(submitting)
    assert (await client.insist("steps", walk, name))["type"] == "acknowledgment"
    await streamer.running(name)
    writing = proxy.on("UpdateItem", FAULTS[name], onwards=True, within=job_id)
    last = {"percentage": 100}
    await until(lambda: any(last.items() <= frame.items() for frame in client.seen("progress", request_id=name)))
    struck = writing.hits
    await until(lambda: writing.hits > struck, what=f"{name} is recorded again and again")
    assert not client.seen("complete", request_id=name)
    proxy.off(writing)
    assert (await client.expect("complete", request_id=name))["result"]["say"] == name


async def test_a_worker_that_is_cut_off_from_the_store_alone_is_replaced(
    on_dynamodb: System, proxy: FaultProxy
) -> None:
    node = await on_dynamodb.node()
    async with on_dynamodb.client(await node.url()) as client:
        alone = await on_dynamodb.worker(**through(proxy))
        await client.request("steps", WALK, "r1")
        await client.expect("progress", request_id="r1")
        proxy.cut()
        await on_dynamodb.worker()
        await alone.logged("attempts_dropped")
        await on_dynamodb.running("r1", attempt=2)
        outcome = await client.outcome("r1")
        proxy.heal()
        await alone.logged("store_reachable")

    assert (outcome["type"], outcome["attempt"], outcome["result"]["say"]) == ("complete", 2, "done")
    assert alone.exit_code is None
    await on_dynamodb.check()


async def test_throttling_of_everything_is_waited_out_without_a_rush(on_dynamodb: System, proxy: FaultProxy) -> None:
    slow = {**through(proxy), "STREAMER_SWEEP_S": "2"}
    node = await on_dynamodb.node(**slow)
    worker = await on_dynamodb.worker(**slow, STREAMER_WORKER_SLOTS="2", STREAMER_SESSION_DEAD_S="60")
    names = [f"r{number}" for number in range(8)]
    async with on_dynamodb.client(await node.url()) as client:
        for name in names:
            assert (await client.insist("steps", {"steps": 10, "step_s": 0.1}, name))["type"] == "acknowledgment"
        await client.expect("progress")
        throttling = proxy.on(ANY, THROTTLED, onwards=True)
        beats = proxy.on("UpdateItem", THROTTLED, onwards=True, within="_nodes")
        waiting = asyncio.create_task(client.expect("complete", request_id=names[-1]))
        await asyncio.wait([waiting], timeout=THROTTLED_S)
        assert not waiting.done()
        assert throttling.hits < CALLS_PER_BEAT * beats.hits
        assert sum(map(len, map(on_dynamodb.runs_of, names))) < len(names), "claimed what the store never gave"
        proxy.clear()
        await waiting
        outcomes = [await client.outcome(name) for name in names]

    assert {(outcome["type"], outcome["attempt"]) for outcome in outcomes} == {("complete", 1)}
    assert node.exit_code is worker.exit_code is None
    await on_dynamodb.check()


async def test_everything_works_without_the_stream(on_dynamodb: System) -> None:
    without = {"STREAMER_WAKEUPS": "direct,sweep"}
    node = await on_dynamodb.node(**without)
    workers = [await on_dynamodb.worker(**without) for _ in range(2)]
    async with on_dynamodb.client(await node.url()) as client:
        await client.request("steps", WALK, "killed")
        await client.request("steps", {"steps": 1}, "delayed", options={"delay_seconds": 1})
        await client.request("flaky", {"failures": 2, "after_s": 0.2}, "retried")
        await client.expect("progress", request_id="killed")
        (await on_dynamodb.owner_of("killed", workers)).kill()
        outcomes = [await client.outcome(name) for name in ("killed", "delayed", "retried")]

    assert [outcome["type"] for outcome in outcomes] == ["complete"] * 3
    assert outcomes[0]["attempt"] == 2
    await on_dynamodb.check()


async def test_tables_that_are_missing_are_waited_for(
    dynamodb_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in dynamodb_engine.environment.items():
        monkeypatch.setenv(name, value)
    without_tables = replace(dynamodb_engine, table_prefix=f"e2e_{ids.nonce()}_")
    async with system(tmp_path, without_tables) as streamer:
        node, worker = streamer.start("app"), streamer.start("worker")
        for process in (node, worker):
            assert "streamer tables create" in (await process.logged("store_awaited"))["reason"]
        for _ in range(2):  # the second has nothing to do
            assert await tables_created(without_tables) == 0
        await node.logged("node_ready")
        await worker.logged("worker_ready")
        async with streamer.client(await node.url()) as client:
            await client.request("steps", {"steps": 1}, "r1")
            assert (await client.outcome("r1"))["type"] == "complete"
        await streamer.check()


async def tables_created(engine: Engine) -> int:
    """The exit code of `streamer tables create`."""
    own = {"STREAMER_STORE": engine.url, "STREAMER_TABLE_PREFIX": engine.table_prefix}
    env = {**SETTINGS, **engine.environment, **own}
    command = (sys.executable, "-m", "streamer", "tables", "create")
    creating = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.DEVNULL)
    return await creating.wait()


@pytest.mark.timeout(120)
@pytest.mark.usefixtures("dynamodb_local")  # not what is killed: it says that this run has DynamoDB at all
async def test_a_store_that_is_killed_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = tmp_path / "dynamodb"
    files.mkdir()
    with DynamoDBLocal(db_path=files) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        engine = Engine("dynamodb", "dynamodb", "streamer_", server.environment)
        async with engine.open() as store:
            await store.create()
        async with system(tmp_path, engine) as streamer:
            await outlive(streamer, server)


async def outlive(streamer: System, server: DynamoDBLocal) -> None:
    node = await streamer.node()
    await streamer.worker()
    async with streamer.client(await node.url()) as client:
        await client.request("steps", {"steps": 60, "step_s": 0.1}, "long")
        await client.request("steps", {"steps": 1}, "later", options={"delay_seconds": 3})
        await client.expect("acknowledgment", request_id="later")
        await client.expect("progress", request_id="long")
        server.stop()
        await node.logged("store_unreachable")
        await asyncio.to_thread(server.start)
        outcomes: list[Any] = [await client.outcome(name) for name in ("long", "later")]
        assert (await client.insist("steps", {"steps": 1}, "after"))["type"] == "acknowledgment"
        outcomes.append(await client.expect("complete", request_id="after"))

    assert {outcome["type"] for outcome in outcomes} == {"complete"}
    assert (await streamer.row("long")).retry_count == 0
    assert all(process.exit_code is None for process in streamer.processes)
    await streamer.check()
