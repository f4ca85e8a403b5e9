"""Coming back to a node, this or another one; a worker's part is done by hand."""

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import StoreUnavailable
from streamer.jobs import ids
from streamer.jobs.model import MAX_ROUTES, Job, Submission
from streamer.store.base import Chunk
from tests.integration.app.house import Ear, House, house, listening_worker, outcome, token
from tests.integration.app.test_jobs import job_id
from tests.support.until import until

SHORT_S = 5.0
"""Below the 15 s after which a silent job is read again: what comes sooner was not lost."""


def submission(request_id: str, **fields: Any) -> Submission:
    return Submission(
        tenant="t1",
        user="ann",
        client_id=request_id,
        action="queued",
        payload=b"{}",
        payload_hash=ids.payload_hash("queued", {}),
        start_within_ms=600_000,
        **fields,
    )


async def test_a_client_goes_on_at_another_node(node: House, second: House) -> None:
    first = await node.client(v1=True)
    job = await node.running(first, "running", 40.0)
    await first.ask(action="queued", id="waiting")
    await first.ask(action="queued", id="finished")
    await node.completed(job_id("finished"))
    await (await node.client(token("bob"))).ask(action="queued", id="bobs")
    await first.socket.close()

    again = await second.client(v1=True)
    named = ("running", "waiting", "finished", "bobs", "never-sent")
    resumed = await again.resume(*named, connection_id=first.connection_id, n=1)
    assert resumed["connection_id"] == first.welcome["connection_id"] != again.welcome["connection_id"]
    assert [(each["request_id"], each["status"], each["recovered"]) for each in resumed["requests"]] == [
        ("running", "PROCESSING", True),
        ("waiting", "PENDING", True),
        ("finished", "COMPLETED", True),
    ]
    standing = resumed["requests"][0]
    assert (standing["job_id"], standing["attempt"], standing["seq"]) == (job.job_id, 1, 1)
    got = await again.take(5)
    refused = [frame for frame in got if frame["type"] == "error"]
    assert [(each["request_id"], each["error"]["code"], each["final"]) for each in refused] == [
        ("bobs", "NOT_FOUND", False),
        ("never-sent", "NOT_FOUND", False),
    ]
    assert [frame["percentage"] for frame in got if frame.get("request_id") == "running"] == [40.0]
    assert [frame["type"] for frame in got if frame.get("request_id") == "finished"] == ["progress", "complete"]

    done = await second.requests.complete(job, b'"there"', 3)
    assert done.routes == {first.connection_id}
    assert await second.deliver(done, "outcome", 3, outcome(done, b'"there"')) == {"gone": []}
    assert (await again.next("complete"))["result"] == "there"
    assert await again.is_silent()


async def test_a_client_that_kept_nothing_but_ids_gets_everything(node: House) -> None:
    first = await node.client(v1=True)
    job = await node.running(first, "r1")
    await node.store_chunks(job, range(3))
    await node.requests.complete(job, b"1", 9, chunks=3)
    again = await node.client(v1=True)
    await again.resume("r1")
    assert [(frame["type"], frame.get("index")) for frame in await again.take(5)] == [
        ("chunk", 0),
        ("chunk", 1),
        ("chunk", 2),
        ("progress", None),
        ("complete", None),
    ]
    assert await again.is_silent()


async def test_a_client_gets_only_what_it_lacks(node: House) -> None:
    first = await node.client(v1=True)
    job = await node.running(first, "r1")
    await node.store_chunks(job, range(5))
    again = await node.client(v1=True)
    await again.resume({"request_id": "r1", "attempt": 1, "seq": 4, "chunks": 3})
    assert [frame["index"] for frame in await again.take(2)] == [3, 4]
    assert await again.is_silent()


async def test_a_plain_client_may_resume_and_is_sent_what_it_knows(node: House) -> None:
    first = await node.client()
    job = await node.running(first, "r1", 30.0)
    await node.store_chunks(job, range(3))
    await first.ask(action="queued", id="r2")
    await node.completed(job_id("r2"))
    again = await node.client()
    await again.send(type="resume", requests=[{"request_id": "r1"}, {"request_id": "r2"}])
    got = await again.take(3)
    assert sorted((frame["request_id"], frame["type"]) for frame in got) == [
        ("r1", "progress"),
        ("r2", "complete"),
        ("r2", "progress"),
    ]
    assert await again.is_silent()


async def test_what_this_connection_waits_for_already_is_listed_and_sent_once(node: House) -> None:
    client = await node.client(v1=True)
    await client.ask(action="queued", id="r1")
    resumed = await client.resume("r1")
    assert [each["request_id"] for each in resumed["requests"]] == ["r1"]
    done = await node.completed(job_id("r1"))
    await node.deliver(done, "outcome", done.seq, outcome(done))
    assert [frame["type"] for frame in await client.take(2)] == ["progress", "complete"]
    assert await client.is_silent()


async def test_a_thousand_requests_in_one_frame(tmp_path: Path) -> None:
    async with house(tmp_path, rate_limit=100) as node:
        names = [f"r{number}" for number in range(1_000)]
        await asyncio.gather(*(node.requests.enqueue(submission(name)) for name in names))
        client = await node.client(v1=True)
        resumed = await client.resume(*names)
        assert [each["request_id"] for each in resumed["requests"]] == names
        rows = await node.requests.get_many([job_id(name) for name in names])
        assert {frozenset(row.routes) for row in rows.values()} == {frozenset({client.connection_id})}
        late = await client.ask(type="ping")  # the next messages pay for them
        assert late["error"]["code"] == "RATE_LIMITED"
        assert late["error"]["retry"]["after_ms"] > 5_000


# --- the store, and the worker ------------------------------------------------------------------------------


async def test_five_running_requests_cost_a_write_and_a_read(
    node: House, second: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.registrar.SETTLE_S", 600.0)  # a busy machine must not let the given id be saved
    first = await node.client(v1=True)
    jobs = [await node.running(first, f"r{number}") for number in range(5)]
    await first.socket.close()
    ear = Ear({job.job_id: 0 for job in jobs})
    async with listening_worker(second, ear):
        again = await second.client(v1=True)
        before = calls(second)
        await again.resume(*(job.client_id for job in jobs), connection_id=first.connection_id, n=1)
        await until(lambda: not any(tracker.filling for tracker in the_trackers(second)))
        assert await again.is_silent()
        assert calls(second) - before == Counter({"rebind_connection": 1, "read": 1})
    assert ear.calls == 1
    assert [each["id"] for each in ear.heard] == [job.job_id for job in jobs]
    at = {first.connection_id: second.node.node_id}
    assert all((each["routes"], each["at"], each["watched"]) == ([*at], at, False) for each in ear.heard)


def calls(node: House) -> Counter[str]:
    """What this node asked of the store for its clients, so far."""
    counted: Counter[str] = Counter()
    for metric in node.node.metrics.store_seconds.collect():
        for sample in metric.samples:
            if sample.name.endswith("_count") and not sample.labels["verb"].endswith(("beat", "nodes")):
                counted[sample.labels["verb"]] = int(sample.value)
    return counted


def the_trackers(node: House) -> list[Any]:
    return [tracker for connection in node.node.hub for tracker in connection.trackers.values()]


async def test_an_outcome_that_is_sent_to_where_the_client_was_is_not_lost(node: House) -> None:
    """The worker writes it between the node's read and its call, and sends it to the socket that is dead by then."""

    class Finishing(Ear):
        async def before_answer(self) -> None:
            await node.requests.complete(job, b'"late"', 5)

    first = await node.client(v1=True)
    job = await node.running(first, "r1")
    async with listening_worker(node, Finishing()):
        again = await node.client(v1=True)
        resumed = await again.resume("r1", connection_id=first.connection_id, n=1)
        assert resumed["requests"][0]["status"] == "PROCESSING"
        got = [await again.next(timeout_s=SHORT_S) for _ in range(2)]
    assert got[1]["result"] == "late"


async def test_a_store_that_is_away_refuses_the_frame_and_keeps_nothing(
    node: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: Any) -> Any:
        raise StoreUnavailable

    first = await node.client(v1=True)
    await node.running(first, "r1", 10.0)
    again = await node.client(v1=True)
    connection = node.node.hub.get(again.connection_id)
    assert connection is not None
    asked = {"type": "resume", "requests": [{"request_id": "r1"}], "connection_id": first.connection_id, "n": 1}
    for store, verb in ((node.node.registrar._connections, "rebind"), (node.node.listeners._requests, "get_many")):
        with monkeypatch.context() as patch:
            patch.setattr(store, verb, away)
            refused = await again.ask(**asked)
        assert (refused["type"], refused["error"]["code"], refused["final"]) == ("error", "STORAGE_ERROR", False)
        assert "request_id" not in refused
        assert connection.is_fresh
    assert (await again.ask(**asked))["connection_id"] == first.connection_id
    assert (await again.next())["percentage"] == 10.0


async def test_a_request_that_cannot_be_attached_is_refused_alone(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    requests = node.node.listeners._requests
    attach = requests.attach

    async def fails(wanted: str, *rest: str) -> Job:
        if wanted == job_id("r1"):
            raise StoreUnavailable
        return await attach(wanted, *rest)

    first = await node.client(v1=True)
    for name in ("r1", "r2"):
        await node.running(first, name, 10.0)
    monkeypatch.setattr(requests, "attach", fails)
    again = await node.client(v1=True)
    resumed = await again.resume("r1", "r2")
    assert [each["request_id"] for each in resumed["requests"]] == ["r2"]
    refused, progress = await again.take(2)
    assert (refused["request_id"], refused["error"]["code"], refused["final"]) == ("r1", "STORAGE_ERROR", False)
    assert progress["request_id"] == "r2"


async def test_a_job_that_ends_before_it_is_attached_gives_its_outcome(
    node: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await node.client(v1=True)
    job = await node.running(first, "r1")
    requests = node.node.listeners._requests
    attach = requests.attach

    async def after_the_end(*wanted: str) -> Job:
        await requests.complete(job, b'"just now"', 5)
        return await attach(*wanted)

    monkeypatch.setattr(requests, "attach", after_the_end)
    again = await node.client(v1=True)
    resumed = await again.resume("r1")
    assert resumed["requests"][0]["status"] == "COMPLETED"
    assert (await again.next("complete"))["result"] == "just now"
    assert await again.is_silent()


async def test_expired_output_is_told_of(tmp_path: Path) -> None:
    async with house(tmp_path, ttl_s=1) as node:
        first = await node.client(v1=True)
        job = await node.running(first, "r1")
        events = node.node.fillings._events
        await events.append_events(job, [chunk_of(job, 0)])
        await until(lambda: _is_empty(events, job))
        await events.append_events(job, [chunk_of(job, 1)])
        await first.ask(action="queued", id="young")
        again = await node.client(v1=True)
        resumed = await again.resume("r1", "young")
        assert [each["recovered"] for each in resumed["requests"]] == [False, True]
        assert (await again.next("chunk"))["index"] == 1
        third = await node.client(v1=True)
        resumed = await third.resume({"request_id": "r1", "attempt": 1, "seq": 2, "chunks": 1})
        assert [each["recovered"] for each in resumed["requests"]] == [True]


async def _is_empty(events: Any, job: Job) -> bool:
    return not await events.read_events(job, 0)


def chunk_of(job: Job, index: int) -> Chunk:
    return Chunk(index, job.attempt, index + 2, b"1")


async def test_a_repeated_submit_gets_the_output_so_far(node: House) -> None:
    job = await node.running(await node.client(), "r1")
    await node.store_chunks(job, range(2))
    ear = Ear({job.job_id: 2})
    async with listening_worker(node, ear):
        later = await node.client(v1=True)
        assert (await later.ask(action="queued", id="r1"))["state"] == "PROCESSING"
        assert [frame["index"] for frame in await later.take(2)] == [0, 1]
    assert [each["at"] for each in ear.heard] == [{later.connection_id: node.node.node_id}]


# --- many ---------------------------------------------------------------------------------------------------


async def test_a_thousand_outcomes_are_sent_as_fast_as_they_are_read(node: House) -> None:
    names = [f"r{number}" for number in range(1_000)]
    rows = await asyncio.gather(*(node.requests.enqueue(submission(name)) for name in names))
    for each in rows:
        await node.completed(each.job.job_id, b'"' + b"x" * 2_000 + b'"')
    client = await node.client(v1=True)
    await client.resume(*names)
    got = await client.take(2_000)
    assert [Counter(frame["type"] for frame in got)[kind] for kind in ("progress", "complete")] == [1_000, 1_000]
    assert {frame["request_id"] for frame in got} == {*names}


async def test_two_tabs_of_a_user_resume_the_same_requests(node: House) -> None:
    first = await node.client(v1=True)
    job = await node.running(first, "r1", 10.0)
    await first.socket.close()
    tabs = [await node.client(v1=True) for _ in range(2)]
    await asyncio.gather(*(tab.resume("r1") for tab in tabs))
    for tab in tabs:
        assert (await tab.next())["percentage"] == 10.0
    done = await node.requests.complete(job, b"1", 3)
    await node.deliver(done, "outcome", 3, outcome(done, b"1"))
    for tab in tabs:
        assert [frame["type"] for frame in await tab.take(2)] == ["progress", "complete"]
        assert await tab.is_silent()


async def test_a_ninth_connection_that_resumes_is_served(node: House) -> None:
    clients = [await node.client(v1=True) for _ in range(MAX_ROUTES + 1)]
    job = await node.running(clients[0], "r1")
    for client in clients[1:]:
        await client.resume("r1")
    row = await node.row("r1")
    ninth = clients[-1].connection_id
    assert len(row.routes) == MAX_ROUTES
    assert row.watch_version == 1
    assert [each.connection_id for each in await node.store.subscriptions.list_by_request(row.job_id)] == [ninth]
    done = await node.requests.complete(job, b"1", 3)
    await node.deliver(done, "outcome", 3, outcome(done, b"1"), c=[*row.routes, ninth])
    for client in clients:
        assert (await client.next("complete"))["request_id"] == "r1"
