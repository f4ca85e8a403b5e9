"""Which node is called for which connection, how many at a time, and what comes of it."""

import asyncio

import pytest

from streamer.cluster.calls import Gone, Unreachable
from streamer.cluster.pace import Pace
from streamer.cluster.registry import APP, Peers
from streamer.errors import StoreUnavailable
from streamer.jobs import ids
from streamer.push import WIDTH, Broadcast, Push, encoded
from streamer.store.base import Connection, NodeRow
from tests.support.until import until
from tests.unit.streamer.cluster.connections import Connections
from tests.unit.streamer.cluster.nodes import Nodes
from tests.unit.streamer.cluster.stopwatch import Stopwatch, most_within_a_second


class Scene:
    """Nodes n1 and n2 live. `faults`: what a call about a connection comes to, in place of an answer."""

    def __init__(self) -> None:
        self.registry = Nodes()
        self.connections = Connections()
        self.faults: dict[str, Exception] = {}
        self.posts: list[tuple[str, str, bytes]] = []
        self.times: list[float] = []
        self.under_way = 0
        self.most_under_way = 0
        self.open = asyncio.Event()  # calls wait for it
        self.open.set()
        self.watch = Stopwatch()
        self.push = Push(
            self.post,
            self.connections,  # type: ignore[arg-type]  # what a push needs of it
            Peers(self.registry, APP),
            pace=lambda rate: Pace(rate, clock=self.watch, sleep=self.watch.sleep),
        )
        self.node("n1")
        self.node("n2")

    def node(self, name: str, *, draining: bool = False) -> None:
        info = {"endpoint": f"http://{name}", "draining": draining}
        self.registry.rows[name] = NodeRow(APP, name, 1, info)

    async def post(self, endpoint: str, path: str, body: bytes) -> bytes:
        self.posts.append((endpoint, path, body))
        self.times.append(self.watch())
        self.under_way += 1
        self.most_under_way = max(self.most_under_way, self.under_way)
        await self.open.wait()
        self.under_way -= 1
        fault = self.faults.get(path.removeprefix("/@connections/"))
        if fault is not None:
            raise fault
        return b""

    def sent_to(self, connection: Connection) -> list[str]:
        """The endpoints that were called about it."""
        return [endpoint for endpoint, path, _ in self.posts if path == f"/@connections/{connection.connection_id}"]


async def test_a_message_goes_to_the_node_that_holds_the_connection() -> None:
    scene = Scene()
    row = scene.connections.put("n2")
    await scene.push.send(row.connection_id, {"text": "hi"})
    assert scene.posts == [("http://n2", f"/@connections/{row.connection_id}", b'{"text":"hi"}')]


async def test_bytes_are_sent_as_they_are() -> None:
    assert encoded(b"\x00 not JSON") == b"\x00 not JSON"
    assert encoded("text") == b'"text"'
    scene = Scene()
    with pytest.raises(TypeError):
        await scene.push.send(scene.connections.put("n1").connection_id, object())
    with pytest.raises(TypeError):
        await scene.push.broadcast(object(), tenant="acme")
    assert scene.posts == []


async def test_where_no_row_tells_any_node_that_stays_is_asked() -> None:
    """A row may be late, or of a node that died: any node looks for the connection itself."""
    scene = Scene()
    scene.node("n1", draining=True)
    unknown, left_behind = ids.connection_id(ids.boot_id()), scene.connections.put("dead")
    for name in (unknown, left_behind.connection_id):
        await scene.push.send(name, 1)
    assert [endpoint for endpoint, _, _ in scene.posts] == ["http://n2", "http://n2"]


async def test_nodes_that_leave_are_asked_where_there_is_no_other() -> None:
    scene = Scene()
    del scene.registry.rows["n2"]
    scene.node("n1", draining=True)
    await scene.push.send(ids.connection_id(ids.boot_id()), 1)
    assert [endpoint for endpoint, _, _ in scene.posts] == ["http://n1"]


async def test_without_any_node_nobody_is_reached() -> None:
    scene = Scene()
    row = scene.connections.put("n1")
    scene.registry.rows.clear()
    with pytest.raises(Unreachable) as error:
        await scene.push.send(row.connection_id, 1)
    assert error.value.status is None


@pytest.mark.parametrize("name", ["", "x", "../internal/deliver", "0123456789ab.short", "0123456789ab." + "/" * 22])
async def test_what_is_no_connection_id_is_gone_and_in_no_path(name: str) -> None:
    scene = Scene()
    with pytest.raises(Gone):
        await scene.push.send(name, 1)
    assert scene.posts == []


@pytest.mark.parametrize("fault", [Gone("n1"), Unreachable("n1: 413", status=413), Unreachable("n1: no answer")])
async def test_what_the_node_says_is_raised(fault: Exception) -> None:
    scene = Scene()
    row = scene.connections.put("n1")
    scene.faults[row.connection_id] = fault
    with pytest.raises(type(fault)) as raised:
        await scene.push.send(row.connection_id, 1)
    assert raised.value is fault


async def test_a_broadcast_reaches_every_connection_of_the_tenant_once() -> None:
    scene = Scene()
    told = [scene.connections.put(node, user=user) for node in ("n1", "n2") for user in ("ann", "ann", "bob")]
    spared = [scene.connections.put("n1", tenant="umbrella"), scene.connections.put("dead")]
    assert await scene.push.broadcast({"n": 1}, tenant="acme") == Broadcast(sent=6, gone=0, failed=0)
    assert [scene.sent_to(row) for row in told] == [[f"http://{row.node_id}"] for row in told]
    assert [scene.sent_to(row) for row in spared] == [[], []]
    assert {body for _, _, body in scene.posts} == {b'{"n":1}'}


async def test_a_broadcast_to_one_user() -> None:
    scene = Scene()
    told = [scene.connections.put(node) for node in ("n1", "n2")]
    other = scene.connections.put("n1", user="bob")
    assert (await scene.push.broadcast(b"x", tenant="acme", user="ann")).sent == 2
    assert [len(scene.sent_to(row)) for row in (*told, other)] == [1, 1, 0]


async def test_a_broadcast_to_nobody() -> None:
    assert await Scene().push.broadcast(1, tenant="nobody") == Broadcast(0, 0, 0)


async def test_connections_that_fail_keep_nobody_from_the_message() -> None:
    scene = Scene()
    rows = [scene.connections.put("n1") for _ in range(40)]
    slow = Unreachable("http://n1: 429", status=429)
    scene.faults = {row.connection_id: slow for row in rows[5:8]} | {rows[0].connection_id: Gone("http://n1")}
    assert await scene.push.broadcast(1, tenant="acme") == Broadcast(sent=36, gone=1, failed=3, fault=slow)


async def test_a_node_that_hangs_holds_up_so_many_calls_and_no_more() -> None:
    scene = Scene()
    for _ in range(3 * WIDTH):
        scene.connections.put("n1")
    scene.open.clear()
    sending = asyncio.create_task(scene.push.broadcast(1, tenant="acme", rate=10_000))
    await until(lambda: scene.under_way == WIDTH)
    scene.open.set()
    assert (await sending).sent == 3 * WIDTH
    assert scene.most_under_way == WIDTH


async def test_no_more_are_sent_in_a_second_than_asked_for() -> None:
    scene = Scene()
    for _ in range(250):
        scene.connections.put("n1")
    assert (await scene.push.broadcast(1, tenant="acme", rate=100)).sent == 250
    assert most_within_a_second(scene.times) <= 100


async def test_a_rate_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        await Scene().push.broadcast(1, tenant="acme", rate=0)


async def test_a_store_that_is_away_is_no_empty_broadcast() -> None:
    scene = Scene()
    scene.connections.put("n1")
    scene.registry.is_away = True
    with pytest.raises(StoreUnavailable):
        await scene.push.broadcast(1, tenant="acme")
