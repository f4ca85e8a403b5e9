"""Taking a connection up again, here or at another node."""

from dataclasses import replace

import orjson
import pytest

from app.binding import LET_GO
from streamer.cluster.calls import Caller, Unreachable
from streamer.cluster.sigv4 import Key
from streamer.protocol.codes import Close
from tests.integration.app.house import House, token
from tests.integration.app.test_jobs import progress_frame
from tests.support.until import until


async def test_the_former_socket_here_is_closed_and_frames_go_to_the_new_one(node: House) -> None:
    before = await node.client(v1=True)
    job = await node.running(before, "r1")
    after = await node.client(v1=True)
    await after.resume("r1", connection_id=before.connection_id, n=1)
    assert await before.closed() == Close.NORMAL
    assert before.socket.close_reason == "the connection moved"
    await node.deliver(job, "progress", 2, progress_frame(job, 2, 50.0), p=50.0)
    assert (await after.next())["percentage"] == 50.0
    await until(lambda: len(node.node.seats._taken) == 3)  # in all, per tenant and per user
    assert set(node.node.seats._taken.values()) == {1}
    assert await node.bound(before.connection_id) is not None
    given = after.welcome["connection_id"]
    await until(lambda: _is_gone(node, given))


async def test_the_former_node_lets_go(node: House, second: House) -> None:
    before = await node.client(v1=True)
    job = await node.running(before, "r1")
    await until(lambda: node.bound(before.connection_id))
    after = await second.client(v1=True)
    await after.resume("r1", connection_id=before.connection_id, n=1)
    assert await before.closed() == Close.NORMAL
    meta = {"c": [before.connection_id], "p": 50.0}
    frame = progress_frame(job, 2, 50.0)
    assert await node.deliver(job, "progress", 2, frame, **meta) == {"gone": [before.connection_id]}
    assert await second.deliver(job, "progress", 2, frame, **meta) == {"gone": []}
    assert (await after.next())["percentage"] == 50.0
    await node.node.registrar.flush()
    row = await second.bound(before.connection_id)
    assert row is not None
    assert (row.node_id, row.reconnects) == (second.node.node_id, 1)


async def test_a_stale_binding_leaves_everything_as_it_is(node: House, second: House) -> None:
    before = await node.client(v1=True)
    job = await node.running(before, "r1")
    newest = await second.client(v1=True)
    await newest.resume("r1", connection_id=before.connection_id, n=2)
    late = await node.client(v1=True)
    resumed = await late.resume("r1", connection_id=before.connection_id, n=2)
    assert resumed["connection_id"] == late.welcome["connection_id"]
    row = await node.bound(before.connection_id)
    assert row is not None
    assert row.node_id == second.node.node_id
    listed = (await node.row("r1")).routes
    assert listed == {before.connection_id, late.connection_id}
    frame = progress_frame(job, 2, 50.0)
    for each, client in ((second, newest), (node, late)):
        await each.deliver(job, "progress", 2, frame, c=sorted(listed), p=50.0)
        assert (await client.next())["percentage"] == 50.0


async def test_nobody_takes_up_the_connection_of_somebody_else(node: House) -> None:
    ann = await node.client(v1=True)
    job = await node.running(ann, "r1")
    await until(lambda: node.bound(ann.connection_id))
    for bearer in (token("bob"), token("ann", "t2")):
        thief = await node.client(bearer, v1=True)
        resumed = await thief.resume("r1", connection_id=ann.connection_id, n=7)
        assert resumed["connection_id"] == thief.welcome["connection_id"]
        assert resumed["requests"] == []
        assert (await thief.next())["error"]["code"] == "NOT_FOUND"
    await node.deliver(job, "progress", 2, progress_frame(job, 2, 50.0), p=50.0)
    assert (await ann.next())["percentage"] == 50.0


async def test_a_connection_that_waits_for_something_keeps_its_id(node: House) -> None:
    before, after = await node.client(v1=True), await node.client(v1=True)
    await node.running(before, "r1")
    await after.ask(action="queued", id="r2")
    resumed = await after.resume("r1", connection_id=before.connection_id, n=1)
    assert resumed["connection_id"] == after.welcome["connection_id"]
    assert (await node.row("r1")).routes == {before.connection_id, after.connection_id}
    assert await before.is_silent()


async def test_what_follows_a_resume_at_once_goes_by_the_former_id(node: House) -> None:
    before = await node.client(v1=True)
    await node.running(before, "r1")
    after = await node.client(v1=True)
    await after.send(type="resume", requests=[{"request_id": "r1"}], connection_id=before.connection_id, n=1)
    await after.send(action="queued", id="r2")
    await after.next("acknowledgment")
    assert (await node.row("r2")).routes == {before.connection_id}


async def test_a_node_that_stood_still_takes_nothing_back(
    node: House, second: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It hears of nothing, and finds its socket dead long after the client went on elsewhere."""
    monkeypatch.setattr("app.binding.Bindings._tell", lambda *_: None)
    before = await node.client(v1=True)
    job = await node.running(before, "r1")
    await until(lambda: node.bound(before.connection_id))
    after = await second.client(v1=True)
    await after.resume("r1", connection_id=before.connection_id, n=1)

    stale = await node.bound(before.connection_id)
    assert stale is not None
    await node.store.connections.save(replace(stale, node_id=node.node.node_id, reconnects=0))
    await before.socket.close()
    await until(lambda: not len(node.node.hub))
    await node.node.registrar.flush()
    row = await second.bound(before.connection_id)
    assert row is not None
    assert (row.node_id, row.reconnects) == (second.node.node_id, 1)
    await second.deliver(job, "progress", 2, progress_frame(job, 2, 50.0), p=50.0)
    assert (await after.next())["percentage"] == 50.0


async def _is_gone(node: House, connection_id: str) -> bool:
    return await node.bound(connection_id) is None


# --- inside the cluster -------------------------------------------------------------------------------------


async def test_only_the_cluster_can_make_a_node_let_go(node: House) -> None:
    client = await node.client(v1=True)
    body = orjson.dumps({"connections": [{"id": client.connection_id, "n": 1}, {"id": "nobody", "n": 1}]})
    url = node.node.internal_url
    async with Caller(Key("inside", "guessed")) as stranger:
        with pytest.raises(Unreachable, match="403"):
            await stranger.post(url, LET_GO, body)
    for malformed in (b"", b"{}", b"[]", b'{"connections":[7]}'):
        with pytest.raises(Unreachable, match="400"):
            await node.caller.post(url, LET_GO, malformed)
    with pytest.raises(Unreachable, match="413"):
        await node.caller.post(url, LET_GO, b"x" * ((1 << 20) + 1))
    assert await client.is_silent()
    await node.caller.post(url, LET_GO, body)
    assert await client.closed() == Close.NORMAL


async def test_a_newer_binding_is_not_let_go(node: House) -> None:
    before, after = await node.client(v1=True), await node.client(v1=True)
    await after.resume(connection_id=before.connection_id, n=3)
    body = orjson.dumps({"connections": [{"id": before.connection_id, "n": 3}]})
    await node.caller.post(node.node.internal_url, LET_GO, body)
    assert await after.is_silent()
