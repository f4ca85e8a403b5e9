"""Clients that come back: nodes die, stand still, are cut off; whoever returns gets what it was promised."""

import asyncio
import functools
from typing import Any

import pytest

from tests.conftest import STORES
from tests.support.metrics import metric
from tests.support.processes import Process
from tests.support.system import System
from tests.support.until import until
from tests.support.wire import WireClient

on_one_store = pytest.mark.parametrize("engine", STORES[:1], indirect=True)
"""For what happens between sockets: all that the store gives to it is told in other stories, on each."""
WALK = {"steps": 30, "step_s": 0.1, "say": "done"}


def seen(client: WireClient, request_id: str) -> dict[str, Any]:
    """What this client has of a request, as `resume` says it."""
    about = [frame for frame in client.seen(request_id=request_id) if "attempt" in frame]
    last = max(((frame["attempt"], frame["seq"]) for frame in about), default=(0, 0))
    chunks = len(client.seen("chunk", request_id=request_id))
    return {"request_id": request_id, "attempt": last[0], "seq": last[1], "chunks": chunks}


async def test_a_worker_that_dies_between_its_outcome_and_saying_so(streamer: System) -> None:
    """The outcome is in the row, and nobody was told: the node that a client waits at finds it."""
    node = await streamer.node()
    worker = await streamer.worker(STREAMER_ACTIONS="tests.support.acme,tests.support.crash")
    async with streamer.client(await node.url()) as client:
        await client.request("steps", {"steps": 1, "say": "written"}, "r1")
        assert await worker.ended() == 9
        outcome = await client.outcome("r1")

    assert (outcome["type"], outcome["attempt"], outcome["result"]["say"]) == ("complete", 1, "written")
    await streamer.check()


async def test_what_a_dead_worker_did_not_say_is_said_by_who_reads_the_stream(on_dynamodb: System) -> None:
    streamer = on_dynamodb
    node = await streamer.node()
    reader = await streamer.worker(STREAMER_WORKER_SLOTS="1")
    await reader.logged("shard_taken")
    async with streamer.client(await node.url()) as client:
        await client.request("steps", {"steps": 300, "step_s": 0.1}, "busy")
        await client.expect("progress", request_id="busy")
        dying = await streamer.worker(STREAMER_ACTIONS="tests.support.acme,tests.support.crash")
        await client.request("steps", {"steps": 1, "say": "written"}, "r1")
        assert await dying.ended() == 9
        await until(functools.partial(has_resent, reader), timeout_s=30)
        outcome = await client.outcome("r1")
        await client.send({"type": "cancel", "request_id": "busy"})
        await client.outcome("busy")

    assert (outcome["type"], outcome["result"]["say"]) == ("complete", "written")
    await streamer.check()


async def has_resent(worker: Process) -> bool:
    return await metric(worker, "streamer_outcomes_resent_total") > 0


@pytest.mark.each_wakeup
async def test_a_node_is_killed_and_its_client_goes_on_at_another(streamer: System) -> None:
    first, second = await streamer.node(), await streamer.node()
    await streamer.worker()
    async with streamer.client(await first.url(), "before") as client:
        await client.request("stream", {"chunks": 40, "chunk_s": 0.1, "size": 20}, "r1")
        await until(lambda: len(client.seen("chunk")) > 5)
        identity = client.welcome["connection_id"]
        first.kill()
        await until(lambda: client.close_code is not None)
        streamer.ledger.lost("before")
        async with streamer.client(await second.url(), "after") as back:
            await back.resume([seen(client, "r1")], connection_id=identity, n=1)
            resumed = await back.expect("resumed")
            outcome = await back.outcome("r1")

    assert resumed["connection_id"] == identity
    assert [entry["recovered"] for entry in resumed["requests"]] == [True]
    assert (outcome["attempt"], outcome["chunks"]) == (1, 40)
    indexes = [frame["index"] for frame in (*client.seen("chunk"), *back.seen("chunk"))]
    assert indexes == list(range(40))
    await streamer.check()


async def test_a_node_that_stands_still_slows_nobody_and_steals_nothing(streamer: System) -> None:
    """Its clients go on elsewhere, the other node's clients notice nothing; awake again, it takes nothing back."""
    sleeper, other = await streamer.node(), await streamer.node()
    worker = await streamer.worker()
    async with streamer.client(await other.url(), "bystander") as bystander:
        client = streamer.client(await sleeper.url(), "before")
        async with client:
            await client.request("steps", {**WALK, "steps": 60}, "r1")
            await bystander.request("steps", WALK, "r2")
            await client.expect("progress", request_id="r1")
            identity = client.welcome["connection_id"]
            await streamer.freeze(sleeper)
            streamer.ledger.lost("before")
            async with streamer.client(await other.url(), "after") as back:
                await back.resume([seen(client, "r1")], connection_id=identity, n=1)
                assert (await back.expect("resumed"))["connection_id"] == identity
                assert (await bystander.outcome("r2"))["type"] == "complete"
                await back.expect("progress", request_id="r1")
                await worker.logged("process_dead", kind="app")
                sleeper.thaw()
                assert (await back.outcome("r1"))["type"] == "complete"
                await back.request("steps", {"steps": 3}, "r3")
                assert (await back.outcome("r3"))["type"] == "complete"
                row = await streamer.store.connections.get(identity)
                assert row is not None
                assert row.node_id == back.welcome["node_id"]

    await streamer.check()


async def test_a_node_that_comes_back_on_its_old_port_knows_no_one(streamer: System) -> None:
    """Its address is the same, its connections are not: the worker asks the row once, and finds the client."""
    first, second = await streamer.node(), await streamer.node()
    await streamer.worker()
    async with streamer.client(await first.url(), "before") as client:
        await client.request("steps", {**WALK, "steps": 50}, "r1")
        await client.expect("progress", request_id="r1")
        identity = client.welcome["connection_id"]
        port = (await first.listening())["internal_url"].rsplit(":", 1)[1]
        first.kill()
        await first.ended()
        await until(lambda: client.close_code is not None)
        streamer.ledger.lost("before")
        await streamer.node(STREAMER_INTERNAL_PORT=port)
        async with streamer.client(await second.url(), "after") as back:
            await back.resume([seen(client, "r1")], connection_id=identity, n=1)
            assert (await back.outcome("r1"))["type"] == "complete"
            assert len(back.seen("progress")) > 1
    await streamer.check()


@on_one_store
async def test_a_worker_that_cannot_reach_the_node(streamer: System) -> None:
    """Both reach the store: the outcome comes, later."""
    node = await streamer.node(STREAMER_ADVERTISE_HOST="127.0.0.9")  # where nobody listens
    worker = await streamer.worker()
    async with streamer.client(await node.url()) as client:
        await client.request("steps", {"steps": 5, "step_s": 0.1, "say": "late"}, "r1")
        outcome = await client.outcome("r1")

    assert (outcome["type"], outcome["result"]["say"]) == ("complete", "late")
    assert await metric(worker, 'streamer_lane_posts_total{result="failed"}') > 0
    await streamer.check()


async def test_a_reader_that_stops_costs_nobody_else_and_has_everything_in_the_end(streamer: System) -> None:
    node = await streamer.node()
    await streamer.worker()
    async with streamer.client(await node.url(), "slow") as slow, streamer.client(await node.url(), "other") as other:
        await slow.request("stream", {"chunks": 4_000, "chunk_s": 0.001, "size": 3_000}, "r1")
        await other.request("stream", {"chunks": 100, "chunk_s": 0.02, "size": 100}, "r2")
        await until(lambda: len(slow.seen("chunk")) > 5)
        slow.pause()
        assert (await other.outcome("r2"))["chunks"] == 100
        await until(functools.partial(has_slow_readers, node), timeout_s=60)
        had = seen(slow, "r1")
        await slow.cut()
        async with streamer.client(await node.url(), "again") as again:
            await again.resume([had], connection_id=slow.welcome["connection_id"], n=1)
            assert (await again.outcome("r1", timeout_s=120))["chunks"] == 4_000
            indexes = [frame["index"] for frame in again.seen("chunk")]
        assert indexes == list(range(had["chunks"], 4_000))
    await streamer.check()


async def has_slow_readers(node: Process) -> bool:
    return await metric(node, "streamer_slow_readers_total") > 0


@on_one_store
async def test_two_tabs_of_one_user_resume_the_same_requests(streamer: System) -> None:
    nodes = [await streamer.node(), await streamer.node()]
    await streamer.worker()
    async with streamer.client(await nodes[0].url(), "first") as client:
        for name in ("r1", "r2"):
            await client.request("stream", {"chunks": 30, "chunk_s": 0.05, "size": 20}, name)
        await until(lambda: len(client.seen("chunk")) > 10)
        async with (
            streamer.client(await nodes[0].url(), "tab 1") as one,
            streamer.client(await nodes[1].url(), "tab 2") as two,
        ):
            for tab in (one, two):
                await tab.resume([{"request_id": "r1"}, {"request_id": "r2"}])
            for tab in (client, one, two):
                for name in ("r1", "r2"):
                    assert (await tab.outcome(name))["chunks"] == 30
                    indexes = [frame["index"] for frame in tab.seen("chunk", request_id=name)]
                    assert indexes == list(range(30))
    await streamer.check()


async def test_the_loss_of_a_worker_reaches_a_client_that_saw_later_numbers(streamer: System) -> None:
    """WORKER_LOST is written from the row's last stored number; the client has seen more."""
    node = await streamer.node()
    async with streamer.client(await node.url()) as client:
        await client.request("stream", {"chunks": 400, "chunk_s": 0.05, "size": 10}, "r1")
        for attempt in range(1, 5):
            worker = await streamer.worker()
            await streamer.running("r1", attempt=attempt)
            await until(functools.partial(heard_of, client, attempt))
            worker.kill()
        await streamer.worker()
        outcome = await client.outcome("r1")
    assert (outcome["type"], outcome["error"]["code"], outcome["attempt"]) == ("error", "WORKER_LOST", 4)
    await streamer.check()


async def test_a_cancel_of_a_waiting_job_reaches_a_client_that_saw_an_attempt(streamer: System) -> None:
    node = await streamer.node()
    worker = await streamer.worker(STREAMER_GRACE_S="0")
    async with streamer.client(await node.url()) as client:
        await client.request("stream", {"chunks": 400, "chunk_s": 0.05, "size": 10}, "r1")
        await until(lambda: len(client.seen("chunk")) > 10)
        worker.terminate()
        await worker.ended()
        await client.expect("retrying", request_id="r1")
        await client.send({"type": "cancel", "request_id": "r1"})
        outcome = await client.outcome("r1")
    assert (outcome["type"], outcome["error"]["code"]) == ("error", "CANCELLED")
    await streamer.check()


@pytest.mark.timeout(180)
async def test_nodes_restart_one_after_the_other_under_load(streamer: System) -> None:
    """No client sees more than a close that asks it to come back."""
    nodes = [await streamer.node(), await streamer.node()]
    await streamer.worker()
    await streamer.worker()

    async def one(number: int) -> None:
        name, generation, n, request = f"c{number}", 0, 0, f"r{number}"
        known: list[WireClient] = []
        identity = None
        while not any(client.seen("complete", request_id=request) for client in known):
            staying = next(process for process in reversed(nodes) if process not in leaving)
            client = streamer.client(await staying.url(), f"{name}.{generation}")
            async with client:
                if identity is None:
                    await client.request("stream", {"chunks": 60, "chunk_s": 0.1, "size": 10}, request)
                    identity = client.welcome["connection_id"]
                else:
                    n += 1
                    await client.resume([merged(known, request)], connection_id=identity, n=n)
                known.append(client)
                await until(functools.partial(is_over, client, request), timeout_s=60)
                assert client.close_code in (None, 1012, 1000)
            generation += 1
            streamer.ledger.lost(client.name)
        indexes = [frame["index"] for client in known for frame in client.seen("chunk", request_id=request)]
        assert indexes == list(range(60))

    leaving: list[Any] = []
    clients = [asyncio.create_task(one(number)) for number in range(20)]
    await until(lambda: len(streamer.ledger.acknowledged) == 20)
    for old in list(nodes):
        nodes.append(await streamer.node())
        leaving.append(old)
        old.terminate()
        assert await old.ended() == 0, old.output()
    await asyncio.gather(*clients)
    await streamer.check()


def heard_of(client: WireClient, attempt: int) -> bool:
    return any(frame["attempt"] == attempt for frame in client.seen("chunk"))


def is_over(client: WireClient, request_id: str) -> bool:
    return client.close_code is not None or bool(client.seen("complete", request_id=request_id))


def merged(clients: list[WireClient], request_id: str) -> dict[str, Any]:
    """What all of them have together: one client, socket after socket."""
    places = [seen(client, request_id) for client in clients]
    newest = max(places, key=lambda place: (place["attempt"], place["seq"]))
    return {**newest, "chunks": sum(place["chunks"] for place in places)}


@on_one_store
async def test_the_newest_progress_comes_before_it_is_written(streamer: System) -> None:
    """A job says something once, and is silent from then on: who comes back at once has to hear it all the same."""
    press = {"STREAMER_ACTIONS": "tests.support.press"}
    await streamer.worker(**press, STREAMER_PROGRESS_PERSIST_MS="600000")
    node = await streamer.node(**press)  # it knows the worker from the start
    async with streamer.client(await node.url(), "before") as before:
        await before.request("print_booklet", {"title": "Moby-Dick"}, "r1")
        await until(lambda: 50 in percentages(before), what="half of it is printed")
        async with streamer.client(await node.url(), "after") as after, streamer.client(await node.url(), "has") as has:
            await has.resume([seen(before, "r1")])
            await after.resume([{"request_id": "r1"}])
            await until(lambda: percentages(after), what="the newest progress")
            assert percentages(after) == [50]
            assert len(after.seen("chunk", request_id="r1")) == 3
            await after.send({"type": "cancel", "request_id": "r1"})
            for client in (before, after, has):
                await client.outcome("r1")
            assert percentages(has) == [], "what it has is not told again"
    await streamer.check()


def percentages(client: WireClient) -> list[float]:
    return [frame["percentage"] for frame in client.seen("progress", request_id="r1")]
