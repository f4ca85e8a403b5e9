"""Queued requests over a real socket; a worker's part is done by hand."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.connection import Connection
from streamer.errors import StoreUnavailable
from streamer.jobs import ids
from streamer.jobs.model import Failure, Job, Progress, Status, Submission
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.store.base import Enqueued, RequestQueue
from tests.integration.app.house import House, house, outcome, token
from tests.support.until import until


def job_id(request_id: str, user: str = "ann", tenant: str = "t1") -> str:
    return ids.job_id(tenant, user, request_id)


def progress_frame(job: Job, seq: int, percentage: float) -> bytes:
    return frames.progress(Place(job.client_id, job.job_id, job.attempt, seq), Progress(percentage), 0.0)


class Slow:
    """The node's queue, with `enqueue` held up, or failing after it was done."""

    def __init__(self, requests: RequestQueue) -> None:
        self._requests = requests
        self._enqueue = requests.enqueue
        self.go = asyncio.Event()
        self.error: Exception | None = None
        self.done = 0

    async def enqueue(self, submission: Submission) -> Enqueued:
        enqueued = await self._enqueue(submission)
        self.done += 1
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return enqueued


@pytest.fixture
def slow(node: House, monkeypatch: pytest.MonkeyPatch) -> Slow:
    requests = node.node.dispatch._submits._requests
    slowed = Slow(requests)
    monkeypatch.setattr(requests, "enqueue", slowed.enqueue)
    return slowed


async def the_connection(node: House) -> Connection:
    return await until(lambda: next(iter(node.node.hub), None))


async def test_acknowledged_means_stored(node: House) -> None:
    client = await node.client()
    answer = await client.ask(action="queued", id="r1", payload={"b": 2, "a": 1}, metadata={"traceparent": "00-1"})
    assert answer["type"] == "acknowledgment"
    assert answer["request_id"] == "r1"
    assert answer["job_id"] == job_id("r1")
    assert (answer["status"], answer["state"], answer["attempt"], answer["seq"]) == ("queued", "PENDING", 0, 0)
    job = await node.requests.get(job_id("r1"))
    assert job is not None
    assert job.payload == b'{"b":2,"a":1}'
    assert job.metadata == {"traceparent": "00-1"}
    assert job.routes == {(await the_connection(node)).connection_id}
    assert job.max_retries == 3


async def test_what_an_action_says_about_retries_counts(node: House) -> None:
    client = await node.client()
    assert (await client.ask(action="slow_by_size", id="r1", payload={"seconds": 1}))["type"] == "response"
    assert (await client.ask(action="slow_by_size", id="r2", payload={"seconds": 9}))["type"] == "acknowledgment"
    job = await node.requests.get(job_id("r2"))
    assert job is not None
    assert job.max_retries == 7


async def test_options_reach_the_job(node: House) -> None:
    client = await node.client()
    options = {"priority": "low", "delay_seconds": 60}
    await client.ask(action="echo", id="r1", options=options)
    job = await node.requests.get(job_id("r1"))
    assert job is not None
    assert job.due_ms == job.created_ms + 60_000


async def test_frames_reach_the_client_in_order(node: House) -> None:
    client = await node.client()
    await client.ask(action="queued", id="r1")
    job = await node.claimed(job_id("r1"))
    for seq, percentage in ((1, 10.0), (3, 30.0), (2, 20.0), (3, 30.0)):
        await node.deliver(job, "progress", seq, progress_frame(job, seq, percentage), p=percentage)
    done = await node.requests.complete(job, b'{"url":"x"}', 5)
    assert await node.deliver(done, "outcome", 5, outcome(done, b'{"url":"x"}')) == {"gone": []}
    await node.deliver(done, "outcome", 5, outcome(done))
    got = [await client.next() for _ in range(4)]
    assert [(frame["type"], frame["attempt"], frame["seq"]) for frame in got] == [
        ("progress", 1, 1),
        ("progress", 1, 3),
        ("progress", 1, 4),
        ("complete", 1, 5),
    ]
    assert [frame["percentage"] for frame in got[:3]] == [10.0, 30.0, 100.0]
    assert got[3]["result"] == {"url": "x"}
    assert got[3]["success"] is True
    assert await client.is_silent()


async def test_frames_that_overtake_the_acknowledgment_wait_for_it(node: House, slow: Slow) -> None:
    client = await node.client()
    await client.send(action="queued", id="r1")
    await until(lambda: slow.done == 1)
    job = await node.claimed(job_id("r1"))
    for seq, percentage in ((1, 10.0), (2, 20.0)):
        await node.deliver(job, "progress", seq, progress_frame(job, seq, percentage), p=percentage)
    done = await node.requests.complete(job, b"1", 4)
    await node.deliver(done, "outcome", 4, outcome(done, b"1"))
    slow.go.set()
    got = [await client.next() for _ in range(4)]
    assert [(frame["type"], frame["seq"]) for frame in got] == [
        ("acknowledgment", 0),
        ("progress", 2),
        ("progress", 3),
        ("complete", 4),
    ]
    assert await client.is_silent()


async def test_the_same_id_again_is_one_job_and_each_connection_gets_the_outcome(node: House) -> None:
    clients = [await node.client() for _ in range(3)]
    for client in clients:
        for _ in range(3):
            await client.send(action="queued", id="same", payload={"a": 1, "b": 2})
    for client in clients:
        for _ in range(3):
            assert (await client.next())["type"] == "acknowledgment"
    other = await clients[0].ask(action="queued", id="same", payload={"a": 2})
    assert (other["error"]["code"], other["final"]) == ("DUPLICATE_REQUEST", False)
    done = await node.completed(job_id("same"))
    assert len(done.routes) == 3
    await node.deliver(done, "outcome", done.seq, outcome(done))
    for client in clients:
        assert [(await client.next())["type"] for _ in range(2)] == ["progress", "complete"]
        assert await client.is_silent()


async def test_a_repeated_submit_of_a_finished_job_gets_its_outcome_again(node: House) -> None:
    client = await node.client()
    await client.ask(action="queued", id="r1")
    await node.completed(job_id("r1"), b'"kept"')
    later = await node.client()
    acknowledgment = await later.ask(action="queued", id="r1")
    assert acknowledgment["state"] == "COMPLETED"
    assert (await later.next("complete"))["result"] == "kept"
    assert await later.is_silent()


async def test_a_repeated_submit_of_a_running_job_gets_its_newest_progress(node: House) -> None:
    await (await node.client()).ask(action="queued", id="r1")
    job = await node.claimed(job_id("r1"))
    await node.requests.save_progress(job, Progress(40.0, "half way", {"rows": 7}), 3)
    later = await node.client()
    assert (await later.ask(action="queued", id="r1"))["state"] == "PROCESSING"
    progress = await later.next()
    assert (progress["percentage"], progress["metadata"], progress["seq"]) == (40.0, {"rows": 7}, 3)


async def test_a_result_that_lies_beside_the_row_is_loaded(node: House) -> None:
    client = await node.client()
    await client.ask(action="queued", id="r1")
    big = b'"' + b"x" * 400_000 + b'"'
    await node.completed(job_id("r1"), big)
    later = await node.client(max_size=1 << 23)
    await later.send(action="queued", id="r1")
    assert len((await later.next("complete"))["result"]) == 400_000


async def test_a_failed_job_is_told_without_a_percentage(node: House) -> None:
    client = await node.client()
    await client.ask(action="queued", id="r1")
    job = await node.claimed(job_id("r1"))
    failed = await node.requests.fail(job, Failure("PROCESSING_FAILED", "It failed."), 1)
    await node.deliver(failed, "outcome", 1, frames.outcome(failed, None, 0.0))
    answer = await client.next()
    assert (answer["type"], answer["error"]["code"], answer["final"]) == ("error", "PROCESSING_FAILED", True)


async def test_retrying_is_for_clients_that_know_it_and_starts_the_percentage_anew(node: House) -> None:
    plain, modern = await node.client(), await node.client(v1=True)
    for client in (plain, modern):
        await client.ask(action="queued", id="r1")
    job = await node.claimed(job_id("r1"))
    await node.deliver(job, "progress", 1, progress_frame(job, 1, 80.0), p=80.0)
    retried = await node.requests.retry(job, Failure("PROCESSING_FAILED", "It failed."), 2, 0)
    place = Place("r1", job.job_id, 1, 2)
    await node.deliver(job, "retrying", 2, frames.retrying(place, Failure("X", "y"), 0.0, 0.0))
    second = await node.claimed(retried.job_id)
    await node.deliver(second, "progress", 1, progress_frame(second, 1, 30.0), p=30.0)
    await node.deliver(second, "progress", 2, progress_frame(second, 2, 90.0), p=90.0)
    assert [(await plain.next())["percentage"] for _ in range(2)] == [80.0, 90.0]
    got = [await modern.next() for _ in range(4)]
    assert [frame["type"] for frame in got] == ["progress", "retrying", "progress", "progress"]
    assert [frame.get("percentage") for frame in got] == [80.0, None, 30.0, 90.0]


async def test_a_store_that_is_away_acknowledges_nothing(node: House, slow: Slow) -> None:
    client = await node.client()
    slow.error = StoreUnavailable()
    slow.go.set()
    refused = await client.ask(action="queued", id="r1")
    assert (refused["error"]["code"], refused["final"]) == ("STORAGE_ERROR", False)
    assert refused["error"]["retry"]["retryable"] is True
    assert not (await the_connection(node)).trackers
    slow.error = None
    assert (await client.ask(action="queued", id="r1"))["type"] == "acknowledgment"


async def test_a_fault_of_the_store_is_told_by_number_only(node: House, slow: Slow) -> None:
    client = await node.client()
    slow.error = RuntimeError("no such column: password")
    slow.go.set()
    refused = await client.ask(action="queued", id="r1")
    assert refused["error"]["code"] == "INTERNAL_ERROR"
    assert "password" not in str(refused)


async def test_a_failed_repeat_leaves_the_first_submit_alone(node: House, slow: Slow) -> None:
    client = await node.client()
    slow.go.set()
    await client.ask(action="queued", id="r1")
    slow.error = StoreUnavailable()
    assert (await client.ask(action="queued", id="r1"))["error"]["code"] == "STORAGE_ERROR"
    done = await node.completed(job_id("r1"))
    await node.deliver(done, "outcome", done.seq, outcome(done))
    assert (await client.next("complete"))["result"] == "done"


async def test_another_users_id_is_another_job(node: House) -> None:
    ann, bob, other = await node.client(), await node.client(token("bob")), await node.client(token("ann", "t2"))
    for client in (ann, bob, other):
        assert (await client.ask(action="queued", id="r1"))["state"] == "PENDING"
    assert (await bob.ask(type="cancel", request_id="r1"))["error"]["code"] == "CANCELLED"
    assert (await bob.ask(type="cancel", request_id="only anns".replace(" ", "-")))["error"]["code"] == "NOT_FOUND"
    job = await node.requests.get(job_id("r1"))
    assert job is not None
    assert job.status is Status.PENDING


async def test_a_cancel_right_behind_its_request_finds_it(node: House, slow: Slow) -> None:
    client = await node.client()
    await client.send(action="queued", id="r1")
    await client.send(type="cancel", request_id="r1")
    await until(lambda: slow.done == 1)
    slow.go.set()
    assert (await client.next())["type"] == "acknowledgment"
    outcome = await client.next()
    assert (outcome["error"]["code"], outcome["final"]) == ("CANCELLED", True)
    again = await client.ask(type="cancel", request_id="r1")
    assert again["error"]["code"] == "CANCELLED"


async def test_all_who_wait_are_told_of_a_cancel(node: House) -> None:
    clients = [await node.client() for _ in range(3)]
    for client in clients[:2]:
        await client.ask(action="queued", id="r1")
    assert (await clients[2].ask(type="cancel", request_id="r1"))["error"]["code"] == "CANCELLED"
    for client in clients[:2]:
        assert (await client.next())["error"]["code"] == "CANCELLED"


async def test_a_cancel_of_a_running_job_is_passed_on(node: House) -> None:
    plain, modern = await node.client(), await node.client(v1=True)
    for client in (plain, modern):
        await client.ask(action="queued", id="r1")
    await node.claimed(job_id("r1"))
    cancelling = await modern.ask(type="cancel", request_id="r1")
    assert (cancelling["type"], cancelling["status"]) == ("cancelling", "PROCESSING")
    await plain.send(type="cancel", request_id="r1")
    assert await plain.is_silent()
    job = await node.requests.get(job_id("r1"))
    assert job is not None
    assert job.cancel_requested_ms is not None


async def test_a_cancel_of_a_finished_job_is_answered_by_its_outcome(node: House) -> None:
    client = await node.client()
    await client.ask(action="queued", id="r1")
    await node.completed(job_id("r1"))
    await client.send(type="cancel", request_id="r1")
    assert [(await client.next())["type"] for _ in range(2)] == ["progress", "complete"]
    assert (await client.ask(type="cancel", request_id="r1"))["type"] == "complete"


async def test_a_ninth_connection_takes_the_place_of_one_that_is_gone(node: House) -> None:
    clients = [await node.client() for _ in range(9)]
    for client in clients[:8]:
        await client.ask(action="queued", id="r1")
    await clients[0].socket.close()
    await until(lambda: len(node.node.hub) == 8)
    await until(lambda: _all_live(node, "r1", 7))
    assert (await clients[8].ask(action="queued", id="r1"))["type"] == "acknowledgment"
    job = await node.requests.get(job_id("r1"))
    assert job is not None
    assert job.routes == {connection.connection_id for connection in node.node.hub}


async def _all_live(node: House, request_id: str, count: int) -> bool:
    """Whether so many of a job's routes have the row of a connection."""
    return len(await node.store.connections.get_many((await node.row(request_id)).routes)) == count


async def test_a_lost_outcome_is_found_by_reading_again(node: House) -> None:
    client = await node.client()
    rereads = _rereads(node)
    rereads._first_s = 0.05
    await client.ask(action="queued", id="r1")
    await node.completed(job_id("r1"), b'"late"')
    assert (await client.next("complete"))["result"] == "late"


def _rereads(node: House) -> Any:
    return node.node.dispatch._submits._rereads


async def test_a_result_that_cannot_be_read_now_comes_later(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await (await node.client()).ask(action="queued", id="r1")
    await node.completed(job_id("r1"))
    requests = node.node.dispatch._submits._requests
    load: Callable[..., Any] = requests.load

    async def fails(*_: Any) -> bytes:
        raise StoreUnavailable

    monkeypatch.setattr(requests, "load", fails)
    _rereads(node)._first_s = 0.05
    later = await node.client()
    assert (await later.ask(action="queued", id="r1"))["type"] == "acknowledgment"
    assert await later.is_silent()
    monkeypatch.setattr(requests, "load", load)
    assert (await later.next("complete"))["result"] == "done"


async def test_submits_are_counted(node: House) -> None:
    client = await node.client()
    for _ in range(2):
        await client.ask(action="queued", id="r1")
    text = node.node.metrics.exposition().decode()
    assert 'streamer_submits_total{action="queued",result="created"} 1.0' in text
    assert 'streamer_submits_total{action="queued",result="joined"} 1.0' in text
    assert 'streamer_messages_total{action="queued",outcome="acknowledgment"} 2.0' in text


async def test_cancel_on_another_node_reaches_the_waiting_connection(tmp_path: Path) -> None:
    async with house(tmp_path) as first, house(tmp_path) as second:
        waiting, elsewhere = await first.client(), await second.client()
        await waiting.ask(action="queued", id="r1")
        assert (await elsewhere.ask(type="cancel", request_id="r1"))["error"]["code"] == "CANCELLED"
        assert (await waiting.next())["error"]["code"] == "CANCELLED"


async def test_an_outcome_that_its_worker_could_not_send_is_found(node: House) -> None:
    """The worker died between the row and the frame: after 15 s of silence the node reads the row."""
    client = await node.client()
    acknowledged = await client.ask(action="queued", id="r1")
    await node.completed(acknowledged["job_id"])
    frames = [await client.next(timeout_s=40), await client.next()]
    assert [frame["type"] for frame in frames] == ["progress", "complete"]
    assert (frames[0]["percentage"], frames[1]["result"]) == (100, "done")
