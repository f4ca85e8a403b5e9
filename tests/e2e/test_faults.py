"""Handlers that misbehave, an index that is late, a deploy in the middle of everything: no job is lost for it."""

import asyncio

from streamer.jobs.dispatch import Kind
from tests.support import index
from tests.support.jobs import noise
from tests.support.metrics import metric
from tests.support.system import System

FAULTY = "tests.support.acme,tests.support.faulty"
ROW_LIMIT = 400_000
"""Bytes of a DynamoDB item, about: a payload of that size lies beside its row."""
BODY_LIMIT = 1 << 20


async def test_a_handler_that_holds_the_loop_is_taken_for_dead_and_its_job_goes_on_elsewhere(streamer: System) -> None:
    node = await streamer.node(STREAMER_ACTIONS=FAULTY)
    workers = [await streamer.worker(STREAMER_ACTIONS=FAULTY) for _ in range(2)]
    async with streamer.client(await node.url()) as client:
        await client.request("block", {"seconds": 6}, "r1")
        blocked = await streamer.owner_of("r1", workers)
        outcome = await client.outcome("r1")
        await blocked.logged("session_late")
        await client.request("steps", {"steps": 1}, "r2")
        assert (await client.outcome("r2"))["type"] == "complete"

    assert (outcome["type"], outcome["result"]) == ("complete", {"attempt": 2})
    assert (await streamer.row("r1")).retry_count == 1
    assert await metric(blocked, "streamer_loop_lag_seconds_sum") > 2
    await streamer.check()


async def test_what_fails_every_time_is_a_dead_letter_and_holds_up_nobody(streamer: System) -> None:
    node = await streamer.node(STREAMER_ACTIONS=FAULTY)
    await streamer.worker(STREAMER_ACTIONS=FAULTY, STREAMER_WORKER_SLOTS="1")
    async with streamer.client(await node.url()) as client:
        await client.request("broken", {}, "poison")
        for number in range(5):
            await client.request("steps", {"steps": 1}, f"r{number}")
        outcomes = [await client.outcome(f"r{number}") for number in range(5)]
        poisoned = await client.outcome("poison")

    assert {outcome["type"] for outcome in outcomes} == {"complete"}
    assert (poisoned["error"]["code"], poisoned["attempt"], poisoned["final"]) == ("PROCESSING_FAILED", 3, True)
    dead = await index.entries(streamer.store, Kind.DEAD, "default")
    assert list(dead) == [poisoned["job_id"]]
    await streamer.check()


async def test_bodies_at_and_over_their_limits(streamer: System) -> None:
    big = {"STREAMER_ACTIONS": FAULTY, "STREAMER_MAX_MESSAGE_BYTES": str(2 * BODY_LIMIT)}
    url = await (await streamer.node(**big)).url()
    await streamer.worker(**big)
    empty = len('{"size":2,"pad":""}')
    pads = {size: noise(size - empty).decode()[1:-1] for size in (ROW_LIMIT - 1_000, ROW_LIMIT + 1_000)}
    pads[BODY_LIMIT] = "x" * (BODY_LIMIT - empty)
    async with streamer.client(url) as client:
        for size, pad in pads.items():
            await client.request("fill", {"size": 2, "pad": pad}, f"payload-{size}")
            assert (await client.outcome(f"payload-{size}"))["result"] == ""
            await client.request("fill", {"size": size}, f"result-{size}")
            # one at a time: who has more than 1 MiB before him is closed with 1013, and this client does not come back
            assert len((await client.outcome(f"result-{size}"))["result"]) + 2 == size
        await client.request("fill", {"size": 2, "pad": "x" * (BODY_LIMIT - empty + 1)}, "payload")
        await client.request("fill", {"size": BODY_LIMIT + 1}, "result")
        refused, failed = await client.outcome("payload"), await client.outcome("result")

    assert refused["error"]["code"] == "PAYLOAD_TOO_LARGE"
    assert (failed["error"]["code"], failed["attempt"]) == ("RESULT_TOO_LARGE", 1)
    await streamer.check()


async def test_an_index_that_is_late_costs_refused_claims_and_nothing_else(streamer: System) -> None:
    url = await (await streamer.node()).url()
    late = "tests.support.acme,tests.support.stale_index"
    workers = [
        await streamer.worker(STREAMER_ACTIONS=late, STREAMER_WAKEUPS="sweep", STREAMER_WORKER_SLOTS="3")
        for _ in range(2)
    ]
    names = [f"r{number}" for number in range(12)]
    async with streamer.client(url) as client:
        for name in names:
            await client.request("steps", {"steps": 2, "step_s": 0.05}, name)
        await client.request("steps", {"steps": 1}, "delayed", options={"delay_seconds": 1})
        await client.request("flaky", {"failures": 1, "after_s": 0.5}, "retried")
        outcomes = [await client.outcome(name) for name in (*names, "delayed", "retried")]

    assert {outcome["type"] for outcome in outcomes} == {"complete"}
    assert [len(streamer.runs_of(name)) for name in names] == [1] * len(names)
    assert all(worker.exit_code is None for worker in workers)
    await streamer.check()


async def test_workers_are_replaced_under_load_at_no_cost(streamer: System) -> None:
    url = await (await streamer.node()).url()
    old = [await streamer.worker(STREAMER_GRACE_S="0.5") for _ in range(2)]
    names = [f"r{number}" for number in range(20)]
    async with streamer.client(url) as client:
        await asyncio.gather(*(client.insist("steps", {"steps": 30, "step_s": 0.1}, name) for name in names))
        for name in names:
            await client.expect("progress", request_id=name)
        for worker in old:
            await streamer.worker()
            worker.terminate()
            assert await worker.ended() == 0, worker.output()
        outcomes = [await client.outcome(name) for name in names]

    rows = [await streamer.row(name) for name in names]
    assert {outcome["type"] for outcome in outcomes} == {"complete"}
    assert {row.retry_count for row in rows} == {0}
    assert max(row.attempt for row in rows) > 1, "nothing was given back"
    await streamer.check()
