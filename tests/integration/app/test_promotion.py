"""An inline run that takes longer than its action promised becomes a job, under the same id."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamer.errors import NotFound, StoreUnavailable
from streamer.jobs.model import Progress, Status
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.store.base import Enqueued
from tests.integration.app.actions import gates, runs
from tests.integration.app.house import House, house, outcome
from tests.support.until import until


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, actions=("tests.integration.app.promising",), progress_live_ms=0) as opened:
        yield opened


async def test_a_run_that_is_quick_is_answered_inline(node: House) -> None:
    gates["g"].set()
    client = await node.client()
    answers = [await client.ask(action="promising", id="r1", payload={"gate": "g"}), await client.next()]
    assert [answer["type"] for answer in answers] == ["progress", "response"]


async def test_a_run_that_is_slow_is_acknowledged_and_gets_the_frames_of_its_job(node: House) -> None:
    client = await node.client(v1=True)
    await client.send(action="promising", id="r1", payload={"gate": "g"})
    acknowledgment = await client.next("acknowledgment")
    assert (acknowledgment["request_id"], acknowledgment["state"]) == ("r1", "PENDING")
    job = await node.claimed(acknowledgment["job_id"])
    assert (job.action, job.client_id, job.payload) == ("promising", "r1", b'{"gate":"g"}')
    job = await node.requests.complete(job, b'"done"', 2)
    await node.deliver(job, "outcome", job.seq, outcome(job))
    assert (await client.next("complete"))["result"] == "done"
    assert [frame["type"] for frame in client.seen[1:]] == ["progress", "acknowledgment", "progress", "complete"]


async def test_the_percentage_does_not_fall_when_the_job_begins_anew(node: House) -> None:
    client = await node.client()
    await client.send(action="promising", id="r1", payload={"gate": "g"})
    job = await node.claimed((await client.next("acknowledgment"))["job_id"])
    for seq, percentage in enumerate((10.0, 40.0, 60.0), start=1):
        frame = frames.progress(Place("r1", job.job_id, 1, seq), Progress(percentage), 0.0)
        await node.deliver(job, "progress", seq, frame, p=percentage)
    assert [frame["percentage"] for frame in await client.take(2)] == [40.0, 60.0]


async def test_a_made_id_is_the_id_of_the_job(node: House) -> None:
    client = await node.client()
    await client.send(action="promising", payload={"gate": "g"})
    progress, acknowledgment = await client.take(2)
    assert acknowledgment["request_id"] == progress["request_id"]
    row = await node.row(progress["request_id"])
    assert row.job_id == acknowledgment["job_id"]


async def test_everybody_who_joined_is_acknowledged(node: House) -> None:
    one, other = await node.client(), await node.client()
    await one.send(action="promising", id="r1", payload={"gate": "g"})
    await one.next("progress")
    await other.send(action="promising", id="r1", payload={"gate": "g"})
    first, second = await one.next("acknowledgment"), await other.next("acknowledgment")
    assert first["job_id"] == second["job_id"]
    assert len((await node.row("r1")).routes) == 2


async def test_the_same_request_again_joins_the_job(node: House) -> None:
    client = await node.client()
    for _ in range(2):
        await client.send(action="promising", id="r1", payload={"gate": "g"})
        await client.next("acknowledgment")
    assert runs["g"] == 1


async def test_who_wants_it_inline_waits(node: House) -> None:
    client = await node.client()
    await client.send(action="promising", id="r1", payload={"gate": "g"}, options={"mode": "inline"})
    await until(lambda: runs["g"])
    looks = node.node.inline._waiting
    assert all(run.promotion is None for run in looks)
    gates["g"].set()
    assert (await client.next("response"))["data"] == "answered"


async def test_a_cancel_while_the_handler_ends_is_honoured(node: House) -> None:
    client = await node.client()
    await client.send(action="parting", id="r1", payload={"gate": "g"})
    await until(lambda: runs["g"])
    await client.send(type="cancel", request_id="r1")
    await client.is_silent()
    gates["g"].set()
    answer = await client.next("error")
    assert (answer["final"], answer["error"]["code"]) == (True, "CANCELLED")
    with pytest.raises(NotFound):
        await node.requests.cancel("t1", "ann", "r1")


async def test_a_cancel_after_the_acknowledgment_ends_the_job(node: House) -> None:
    client = await node.client()
    await client.send(action="promising", id="r1", payload={"gate": "g"})
    await client.next("acknowledgment")
    await client.send(type="cancel", request_id="r1")
    assert (await client.next("error"))["error"]["code"] == "CANCELLED"
    assert (await node.row("r1")).status is Status.CANCELLED


async def test_where_the_store_is_away_it_is_to_be_sent_again(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> Enqueued:
        raise StoreUnavailable

    submits = node.node.dispatch._submits
    client = await node.client()
    with monkeypatch.context() as patched:
        patched.setattr(submits, "_enqueue", away)
        await client.send(action="promising", id="r1", payload={"gate": "g"})
        refusal = await client.next("error")
    assert (refusal["final"], refusal["error"]["code"]) == (False, "STORAGE_ERROR")
    assert refusal["error"]["retry"]["retryable"] is True
    await client.send(action="promising", id="r1", payload={"gate": "g"})
    await client.next("acknowledgment")
