"""`POST /internal/deliver`, as workers and strangers call it."""

import aiohttp
import pytest

from app.delivery import MAX_BODY_BYTES
from streamer.cluster.calls import Caller, Unreachable
from streamer.cluster.sigv4 import Key
from tests.integration.app.house import House, outcome, token
from tests.integration.app.test_jobs import job_id, progress_frame
from tests.support.until import PATIENT_S


async def post(node: House, body: bytes, key: Key) -> None:
    async with Caller(key, connect_s=PATIENT_S, total_s=PATIENT_S) as caller:
        await caller.post(node.node.internal_url, "/internal/deliver", body)


async def test_a_call_that_is_not_ours_is_refused(node: House) -> None:
    with pytest.raises(Unreachable, match="403"):
        await post(node, b"", Key("inside", "guessed"))
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{node.node.internal_url}/internal/deliver", data=b"") as answer:
            assert answer.status == 403
        async with session.get(f"{node.node.internal_url}/internal/deliver") as answer:
            assert answer.status == 405


@pytest.mark.parametrize(
    "body",
    [b"x", b"{}", b"{}\n{}", b'{"k":"progress"}\n{}', b"[]\n{}", b'{"k":"chunk","c":[]}\n{}', b"\n"],
)
async def test_what_no_worker_sends_is_refused(node: House, body: bytes) -> None:
    with pytest.raises(Unreachable, match="400"):
        await node.caller.post(node.node.internal_url, "/internal/deliver", body)


async def test_too_much_at_once_is_refused(node: House) -> None:
    with pytest.raises(Unreachable, match="413"):
        await node.caller.post(node.node.internal_url, "/internal/deliver", b"x" * (MAX_BODY_BYTES + 1))


async def test_nothing_is_nothing(node: House) -> None:
    assert await node.deliver_all([]) == {"gone": []}


async def test_who_is_gone_is_told_and_the_others_are_served(node: House) -> None:
    client = await node.client()
    await client.ask(action="queued", id="r1")
    done = await node.completed(job_id("r1"))
    everybody = [*done.routes, f"{node.node.node_id}.gone", "elsewhere.born"]
    answer = await node.deliver(done, "outcome", done.seq, outcome(done), c=everybody)
    assert sorted(answer["gone"]) == sorted(everybody[1:])
    assert (await client.next("complete"))["request_id"] == "r1"


async def test_a_frame_reaches_nobody_but_the_user_of_its_job(node: House) -> None:
    ann, bob = await node.client(), await node.client(token("bob"))
    for client in (ann, bob):
        await client.ask(action="queued", id="r1")
    job = await node.claimed(job_id("r1"))
    everybody = [connection.connection_id for connection in node.node.hub]
    answer = await node.deliver(job, "progress", 1, progress_frame(job, 1, 5.0), p=5.0, c=everybody)
    assert answer == {"gone": []}
    assert (await ann.next())["percentage"] == 5.0
    assert await bob.is_silent()
    await node.deliver(job, "progress", 2, progress_frame(job, 2, 6.0), p=6.0, c=everybody, t="t2")
    assert await ann.is_silent()
    assert 'streamer_frames_dropped_total{reason="foreign"} 3.0' in node.node.metrics.exposition().decode()


async def test_a_frame_of_a_job_that_nobody_waits_for_is_dropped(node: House) -> None:
    client = await node.client()
    await client.ask(action="queued", id="r1")
    job = await node.claimed(job_id("r1"))
    await node.deliver(job, "progress", 1, progress_frame(job, 1, 5.0), p=5.0, j="0" * 32)
    assert await client.is_silent()
    assert 'streamer_frames_dropped_total{reason="stale"} 1.0' in node.node.metrics.exposition().decode()


async def test_the_frames_of_an_older_attempt_are_dropped(node: House) -> None:
    client = await node.client()
    await client.ask(action="queued", id="r1")
    zombie = await node.claimed(job_id("r1"))
    await node.requests.lost(zombie)
    job = await node.claimed(job_id("r1"), "worker2")
    await node.deliver(job, "progress", 1, progress_frame(job, 1, 10.0), p=10.0)
    await node.deliver(zombie, "progress", 9, progress_frame(zombie, 9, 99.0), p=99.0)
    assert (await client.next())["attempt"] == 2
    assert await client.is_silent()


async def test_a_frame_that_names_nobody_is_for_those_of_the_frame_before(node: House) -> None:
    client = await node.client()
    await client.ask(action="queued", id="r1")
    job = await node.claimed(job_id("r1"))
    pairs = [(node.meta(job, "progress", seq, p=seq), progress_frame(job, seq, seq)) for seq in (1, 2)]
    del pairs[1][0]["c"]
    await node.deliver_all(pairs)
    assert [(await client.next("progress"))["seq"] for _ in pairs] == [1, 2]


async def test_a_first_frame_that_names_nobody_is_refused(node: House) -> None:
    await (client := await node.client()).ask(action="queued", id="r1")
    job = await node.claimed(job_id("r1"))
    meta = node.meta(job, "progress", 1, p=1)
    del meta["c"]
    with pytest.raises(Unreachable, match="400"):
        await node.deliver_all([(meta, progress_frame(job, 1, 1))])
    assert await client.is_silent()
