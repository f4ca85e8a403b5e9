"""Watching jobs, one's own and, with the permission, those of others; a worker's part is done by hand."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from app.watch import MAX_WATCHED
from streamer.errors import StoreUnavailable
from streamer.jobs.model import MAX_ROUTES, Job
from streamer.store.base import Subscription
from tests.integration.app.house import Client, Ear, House, house, listening_worker, outcome, token
from tests.integration.app.test_jobs import job_id, progress_frame
from tests.support.until import until

WATCHER = token("bob", permissions=("requests:watch",))


async def watchers(node: House, job: Job) -> Sequence[Subscription]:
    return await node.store.subscriptions.list_by_request(job.job_id)


async def watch(client: Client, job: Job, **fields: Any) -> dict[str, Any]:
    answer = await client.ask(type="subscribe", job_id=job.job_id, **fields)
    assert answer["type"] == "subscribed", answer
    return answer


async def everybody(node: House, job: Job) -> list[str]:
    """Whom a worker would send to."""
    return [*job.routes, *(each.connection_id for each in await watchers(node, job))]


@pytest.mark.parametrize("bearer", [token(), WATCHER], ids=["the same user", "by permission"])
async def test_a_watcher_sees_the_job_under_its_own_id(node: House, bearer: str) -> None:
    owner = await node.client(v1=True)
    job = await node.running(owner, "r1", 20.0)
    await node.store_chunks(job, range(2))
    watcher = await node.client(bearer, v1=True)
    subscribed = await watch(watcher, job)
    assert (subscribed["status"], subscribed["attempt"], subscribed["seq"]) == ("PROCESSING", 1, 1)
    assert [each.connection_id for each in await watchers(node, job)] == [watcher.connection_id]
    row = await node.row("r1")
    assert row.watch_version == 1
    assert row.routes == {owner.connection_id}
    done = await node.requests.complete(job, b'"seen"', 9, chunks=2)
    frame = outcome(done, b'"seen"')
    assert await node.deliver(done, "outcome", 9, frame, c=await everybody(node, done), h=2) == {"gone": []}
    got = await watcher.take(5)
    assert sorted((each["type"], each.get("index", -1)) for each in got[:-2]) == [
        ("chunk", 0),
        ("chunk", 1),
        ("progress", -1),
    ]
    assert {each["request_id"] for each in got} == {job.job_id}
    assert got[-1]["result"] == "seen"
    assert await watcher.is_silent()


async def test_the_owner_is_asked_for_what_it_has_and_told_of_the_watcher(node: House) -> None:
    owner = await node.client(v1=True)
    job = await node.running(owner, "r1")
    ear = Ear({job.job_id: 0})
    async with listening_worker(node, ear):
        watcher = await node.client(WATCHER, v1=True)
        await watch(watcher, job)
        await until(lambda: ear.heard)
    name = watcher.connection_id
    assert ear.heard == [{"id": job.job_id, "routes": [name], "at": {name: node.node.node_id}, "watched": True}]


async def test_strangers_cannot_tell_a_job_from_none(tmp_path: Path) -> None:
    async with house(tmp_path, ttl_s=1) as node:
        owner = await node.client()
        job = await node.running(owner, "r1")
        await owner.ask(action="queued", id="expired")
        await owner.ask(type="cancel", request_id="expired")
        await until(lambda: _is_gone(node, job_id("expired")))
        refusals = []
        for bearer, wanted in (
            (token("bob"), job.job_id),
            (token("ann", "t2"), job.job_id),
            (token("bob", "t2", ("requests:watch",)), job.job_id),
            (token("bob"), "0" * 32),
            (token("bob"), "not-an-id"),
            (token("ann"), job_id("expired")),
        ):
            client = await node.client(bearer, v1=True)
            await client.send(type="subscribe", job_id=wanted)
            refusals.append(_normal(str(await client.socket.recv()), wanted))
        assert len(set(refusals)) == 1
        assert '"code":"NOT_FOUND"' in refusals[0]
        assert '"final":false' in refusals[0]
        assert not await watchers(node, job)


def _normal(text: str, wanted: str) -> str:
    assert f'"request_id":"{wanted}"' in text
    return re.sub(r'"timestamp":[\d.]+', '"timestamp":0', text.replace(wanted, "WANTED"))


async def _is_gone(node: House, wanted: str) -> bool:
    return await node.requests.get(wanted) is None


async def test_a_finished_job_gives_its_outcome_and_nothing_stays_behind(node: House) -> None:
    owner = await node.client()
    await owner.ask(action="queued", id="r1")
    done = await node.completed(job_id("r1"), b'"kept"')
    watcher = await node.client(WATCHER, v1=True)
    assert (await watch(watcher, done))["status"] == "COMPLETED"
    assert [each["type"] for each in await watcher.take(2)] == ["progress", "complete"]
    assert await watcher.is_silent()
    assert not await watchers(node, done)


async def test_a_job_that_ends_while_somebody_begins_to_watch_it(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = await node.client()
    job = await node.running(owner, "r1")
    requests = node.node.listeners._requests
    watched = requests.watched

    async def after_the_end(row: Job) -> Job:
        await requests.complete(job, b'"just now"', 5)
        return await watched(row)

    monkeypatch.setattr(requests, "watched", after_the_end)
    watcher = await node.client(WATCHER, v1=True)
    assert (await watch(watcher, job))["status"] == "COMPLETED"
    assert (await watcher.next("complete"))["result"] == "just now"
    await until(lambda: _nobody_watches(node, job))


async def _nobody_watches(node: House, job: Job) -> bool:
    return not await watchers(node, job)


async def test_a_watcher_chooses_what_it_wants_and_says_what_it_has(node: House) -> None:
    owner = await node.client(v1=True)
    job = await node.running(owner, "r1", 20.0)
    await node.store_chunks(job, range(3))
    chunks = await node.client(WATCHER, v1=True)
    await watch(chunks, job, events=["chunk"], attempt=1, seq=3, chunks=2)
    assert (await chunks.next())["index"] == 2
    progress = await node.client(WATCHER, v1=True)
    await watch(progress, job, events=["progress"])
    assert (await progress.next())["percentage"] == 20.0
    for client in (chunks, progress):
        assert await client.is_silent()


async def test_a_plain_client_may_watch_too(node: House) -> None:
    owner = await node.client()
    job = await node.running(owner, "r1", 20.0)
    watcher = await node.client(WATCHER)
    progress = await watcher.ask(type="subscribe", job_id=job.job_id)
    assert (progress["type"], progress["request_id"], progress["percentage"]) == ("progress", job.job_id, 20.0)
    await watcher.send(type="unsubscribe", job_id=job.job_id)
    assert await watcher.is_silent()


async def test_who_waits_for_the_job_already_only_hears_so(node: House) -> None:
    owner = await node.client(v1=True)
    job = await node.running(owner, "r1", 20.0)
    await watch(owner, job)
    assert await owner.is_silent()
    assert not await watchers(node, job)
    await owner.ask(type="unsubscribe", job_id=job.job_id)
    done = await node.requests.complete(job, b"1", 3)
    await node.deliver(done, "outcome", 3, outcome(done, b"1"))
    assert (await owner.next("complete"))["request_id"] == "r1"


async def test_after_unsubscribe_nothing_comes(node: House) -> None:
    owner = await node.client()
    job = await node.running(owner, "r1")
    watcher = await node.client(WATCHER, v1=True)
    await watch(watcher, job)
    answer = await watcher.ask(type="unsubscribe", job_id=job.job_id)
    assert (answer["type"], answer["job_id"], answer["status"]) == ("unsubscribed", job.job_id, "PROCESSING")
    assert not await watchers(node, job)
    assert (await node.row("r1")).watch_version == 2
    await node.deliver(job, "progress", 2, progress_frame(job, 2, 50.0), c=[watcher.connection_id], p=50.0)
    assert await watcher.is_silent()
    again = await watcher.ask(type="unsubscribe", job_id=job.job_id)
    assert {*again} == {"type", "job_id", "timestamp"}


async def test_a_socket_that_is_gone_watches_nothing(node: House) -> None:
    owner = await node.client()
    jobs = [await node.running(owner, name) for name in ("r1", "r2")]
    watcher = await node.client(WATCHER, v1=True)
    for job in jobs:
        await watch(watcher, job)
    await watcher.socket.close()
    for job in jobs:
        await until(partial(_nobody_watches, node, job))


@pytest.mark.parametrize("is_told", [True, False])
async def test_a_watcher_that_moved_keeps_what_it_subscribed_to_there(
    node: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    """Its former node is told to let go, or finds the socket dead later by itself."""
    if not is_told:
        monkeypatch.setattr("app.binding.Bindings._tell", lambda *_: None)
    owner = await node.client()
    job = await node.running(owner, "r1")
    watcher = await node.client(WATCHER, v1=True)
    await watch(watcher, job)
    async with house(tmp_path) as second:
        await second.knows_node(node)
        moved = await second.client(WATCHER, v1=True)
        await moved.resume(connection_id=watcher.connection_id, n=1)
        await watch(moved, job)
        await (watcher.closed() if is_told else watcher.socket.close())
        await until(lambda: len(node.node.hub) == 1)
        await node.node.listeners.flush()
        assert [each.connection_id for each in await watchers(node, job)] == [watcher.connection_id]


async def test_so_many_may_be_watched_and_no_more(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_WATCHED == 100
    monkeypatch.setattr("app.watch.MAX_WATCHED", 2)
    owner = await node.client()
    jobs = [await node.running(owner, f"r{number}") for number in range(3)]
    watcher = await node.client(WATCHER, v1=True)
    for job in jobs[:2]:
        await watch(watcher, job)
    refused = await watcher.ask(type="subscribe", job_id=jobs[2].job_id)
    assert (refused["error"]["code"], refused["request_id"]) == ("RATE_LIMITED", jobs[2].job_id)
    await watcher.ask(type="unsubscribe", job_id=jobs[0].job_id)
    await watch(watcher, jobs[2])


async def test_a_store_that_is_away_lets_nobody_watch(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: Any) -> Any:
        raise StoreUnavailable

    owner = await node.client()
    job = await node.running(owner, "r1")
    watcher = await node.client(WATCHER, v1=True)
    listeners = node.node.listeners
    with monkeypatch.context() as patch:
        patch.setattr(listeners._requests, "watched", away)
        refused = await watcher.ask(type="subscribe", job_id=job.job_id)
        assert (refused["error"]["code"], refused["request_id"]) == ("STORAGE_ERROR", job.job_id)
    await until(lambda: _nobody_watches(node, job))
    await watch(watcher, job)
    with monkeypatch.context() as patch:
        patch.setattr(listeners._subscriptions, "unsubscribe", away)
        refused = await watcher.ask(type="unsubscribe", job_id=job.job_id)
        assert refused["error"]["code"] == "STORAGE_ERROR"
    await until(lambda: _nobody_watches(node, job))


async def test_a_cancel_is_told_to_watchers_on_every_node(node: House, tmp_path: Path) -> None:
    owner = await node.client()
    await owner.ask(action="queued", id="r1")
    waiting = await node.row("r1")
    here = await node.client(WATCHER, v1=True)
    await watch(here, waiting)
    async with house(tmp_path) as second:
        await node.knows_node(second)
        there = await second.client(WATCHER, v1=True)
        await watch(there, waiting)
        assert (await owner.ask(type="cancel", request_id="r1"))["error"]["code"] == "CANCELLED"
        for watcher in (here, there):
            cancelled = await watcher.next()
            assert (cancelled["request_id"], cancelled["error"]["code"]) == (waiting.job_id, "CANCELLED")
    await until(lambda: _nobody_watches(node, waiting))


async def test_a_ninth_connection_that_submits_is_served(node: House) -> None:
    clients = [await node.client() for _ in range(MAX_ROUTES + 1)]
    for client in clients:
        assert (await client.ask(action="queued", id="r1"))["type"] == "acknowledgment"
    job = await node.claimed(job_id("r1"))
    assert len(job.routes) == MAX_ROUTES
    done = await node.requests.complete(job, b"1", 3)
    await node.deliver(done, "outcome", 3, outcome(done, b"1"), c=await everybody(node, done))
    for client in clients:
        assert [(await client.next())["type"] for _ in range(2)] == ["progress", "complete"]


async def test_a_ninth_connection_that_is_gone_is_taken_off(node: House) -> None:
    clients = [await node.client() for _ in range(MAX_ROUTES + 1)]
    for client in clients:
        await client.ask(action="queued", id="r1")
    assert len(await watchers(node, await node.row("r1"))) == 1
    await clients[-1].socket.close()
    job = await node.row("r1")
    await until(lambda: _nobody_watches(node, job))
