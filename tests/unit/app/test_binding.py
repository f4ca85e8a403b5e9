import asyncio
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
import pytest

from app.binding import LET_GO, Bindings
from app.connection import Connection
from app.hub import Hub
from app.registrar import Registrar
from app.tasks import Tasks
from streamer.cluster.calls import Unreachable
from streamer.cluster.registry import APP, Peers
from streamer.protocol.codes import Close
from streamer.protocol.messages import Seen
from streamer.store.base import Connection as Row
from streamer.store.base import NodeRow, StaleBinding
from streamer.telemetry.metrics import Metrics
from tests.support.until import until
from tests.unit.app.parts import Rows, Socket, connection


@dataclass
class Rebinds:
    """A registrar that binds when it is let."""

    former: Row | None = None
    error: Exception | None = None
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def rebind(self, given: str, connection_id: str, reconnects: int) -> Row | None:
        self.calls.append((given, connection_id, reconnects))
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return self.former


class Stage:
    def __init__(self) -> None:
        self.hub = Hub(Metrics())
        self.rebinds = Rebinds()
        self.tasks = Tasks(lambda: None)
        self.posts: list[tuple[str, str, Any]] = []
        self.post_error: Exception | None = None
        self.nodes = Peers(Rows([NodeRow(APP, "n0", 1, {"endpoint": "http://n0"})]), APP)
        self.bindings = Bindings(
            node_id="n1",
            hub=self.hub,
            registrar=cast("Registrar", self.rebinds),
            nodes=self.nodes,
            post=self.post,
            tasks=self.tasks,
            gate=asyncio.Semaphore(1),
        )

    async def post(self, endpoint: str, path: str, body: bytes) -> bytes:
        self.posts.append((endpoint, path, orjson.loads(body)))
        if self.post_error is not None:
            raise self.post_error
        return b"{}"

    def connected(self, name: str) -> tuple[Connection, Socket]:
        socket = Socket()
        made = connection(socket, name=name)
        self.hub.add(made)
        return made, socket


@pytest.fixture
async def stage() -> Stage:
    opened = Stage()
    await opened.nodes.refresh()
    opened.rebinds.go.set()
    return opened


def on(node_id: str) -> Row:
    return Row(connection_id="n0.former", node_id=node_id, tenant="t1", user="ann", connected_ms=0, last_ping_ms=0)


async def test_the_former_node_is_told(stage: Stage) -> None:
    stage.rebinds.former = on("n0")
    made, _ = stage.connected("n1.given")
    await stage.bindings.take_up(made, "n0.former", 2)
    assert (made.connection_id, made.reconnects) == ("n0.former", 2)
    assert stage.hub.get("n0.former") is made
    assert stage.hub.get("n1.given") is None
    await until(lambda: not len(stage.tasks))
    assert stage.posts == [("http://n0", LET_GO, {"connections": [{"id": "n0.former", "n": 2}]})]


@pytest.mark.parametrize("former", [None, on("n1"), on("dead")])
async def test_nobody_is_told_where_nobody_has_it(stage: Stage, former: Row | None) -> None:
    stage.rebinds.former = former
    made, _ = stage.connected("n1.given")
    await stage.bindings.take_up(made, "n0.former", 1)
    assert made.connection_id == "n0.former"
    assert not len(stage.tasks)


async def test_a_former_node_that_does_not_answer_finds_out_by_itself(stage: Stage) -> None:
    stage.rebinds.former, stage.post_error = on("n0"), Unreachable("no")
    made, _ = stage.connected("n1.given")
    await stage.bindings.take_up(made, "n0.former", 1)
    await until(lambda: not len(stage.tasks))
    assert not stage.tasks.died


async def test_a_stale_binding_changes_nothing(stage: Stage) -> None:
    stage.rebinds.error = StaleBinding()
    made, _ = stage.connected("n1.given")
    await stage.bindings.take_up(made, "n0.former", 1)
    assert (made.connection_id, made.reconnects) == ("n1.given", 0)
    assert stage.hub.get("n1.given") is made


async def test_only_what_is_fresh_becomes_another(stage: Stage) -> None:
    itself, _ = stage.connected("n1.itself")
    await stage.bindings.take_up(itself, "n1.itself", 1)
    waiting, _ = stage.connected("n1.waiting")
    waiting.resume("j", Seen("r"))
    await stage.bindings.take_up(waiting, "n0.former", 1)
    bound, _ = stage.connected("n1.bound")
    bound.reconnects = 1
    await stage.bindings.take_up(bound, "n0.former", 2)
    assert not stage.rebinds.calls


async def test_what_goes_by_the_id_waits_for_it(stage: Stage) -> None:
    stage.rebinds.go.clear()
    made, _ = stage.connected("n1.given")
    taking_up = asyncio.create_task(stage.bindings.take_up(made, "n0.former", 1), name="resume")
    await until(lambda: stage.rebinds.calls)
    seen: list[str] = []

    async def submit() -> None:
        await stage.bindings.settled(made)
        seen.append(made.connection_id)

    submitting = asyncio.create_task(submit(), name="submit")
    other, _ = stage.connected("n1.other")
    await stage.bindings.settled(other)
    assert not seen
    stage.rebinds.go.set()
    await asyncio.gather(taking_up, submitting)
    assert seen == ["n0.former"]


async def test_a_connection_that_is_gone_by_then_is_not_bound(stage: Stage) -> None:
    stage.rebinds.go.clear()
    first, _ = stage.connected("n1.first")
    second, _ = stage.connected("n1.second")
    tasks = [
        asyncio.create_task(stage.bindings.take_up(made, "n0.former", 1), name="resume") for made in (first, second)
    ]
    await until(lambda: stage.rebinds.calls)
    for made in (first, second):  # the first while it is bound, the second while it waits for the gate
        stage.hub.remove(made)
    stage.rebinds.go.set()
    await asyncio.gather(*tasks)
    assert stage.rebinds.calls == [("n1.first", "n0.former", 1)]
    assert not len(stage.hub)


async def test_who_had_it_here_is_closed(stage: Stage) -> None:
    _, socket = stage.connected("n0.former")
    made, _ = stage.connected("n1.given")
    await stage.bindings.take_up(made, "n0.former", 1)
    closed = {"type": "websocket.close", "code": Close.NORMAL, "reason": "the connection moved"}
    assert socket.sent == [closed]
    assert stage.hub.get("n0.former") is made


@pytest.mark.parametrize(("n", "is_closed"), [(3, True), (2, False)])
async def test_only_an_older_binding_is_let_go(stage: Stage, n: int, is_closed: bool) -> None:
    made, socket = stage.connected("n1.c")
    made.reconnects = 2
    stage.bindings.let_go(orjson.dumps({"connections": [{"id": "n1.c", "n": n}, {"id": "n1.gone", "n": 1}]}))
    assert bool(socket.sent) is is_closed
    assert (stage.hub.get("n1.c") is None) is is_closed
