"""How a node's sockets leave: when, in which order, and after which words."""

import asyncio
import random
from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import cast

import pytest

from app.calls import Calls
from app.drain import PER_SOCKET_S, SHARE, drain, slots
from app.health import Health
from app.hub import Hub
from app.leave import Leavers
from app.node import Node
from streamer.protocol.codes import Close
from streamer.telemetry.metrics import Metrics
from tests.support.until import until
from tests.unit.app.parts import Socket, connection


class Inline:
    """Runs that wait; told to stop, each gives its answer when it is looked at again."""

    def __init__(self) -> None:
        self.waiting = 0
        self.stopped = 0

    def __len__(self) -> int:
        waiting, self.waiting = self.waiting, max(0, self.waiting - self.stopped)
        return waiting

    def stop_all(self) -> int:
        self.stopped = self.waiting
        return self.stopped


@dataclass
class Leaving:
    """The parts of a node that its drain needs."""

    hub: Hub = field(default_factory=lambda: Hub(Metrics()))
    health: Health = field(default_factory=Health)
    inline: Inline = field(default_factory=Inline)
    calls: Calls = field(default_factory=Calls)

    def client(self, name: str, *, v1: bool = False) -> Socket:
        socket = Socket()
        self.hub.add(connection(socket, name=name, v1=v1))
        return socket

    async def drained(self, drain_s: float) -> None:
        await drain(cast("Node", self), drain_s)


def codes(socket: Socket) -> list[int]:
    return [message["code"] for message in socket.sent if message["type"] == "websocket.close"]


@pytest.mark.parametrize(("count", "drain_s"), [(1, 20.0), (3, 20.0), (200, 20.0), (10_000, 20.0), (50, 0.5), (5, 0.0)])
def test_the_windows_fill_the_time_evenly_and_leave_some(count: int, drain_s: float) -> None:
    windows = slots(count, drain_s)
    assert len(windows) == count
    assert windows[0][0] == 0.0
    assert all(before[1] == pytest.approx(after[0]) for before, after in pairwise(windows))
    assert windows[-1][1] == pytest.approx(min(SHARE * drain_s, PER_SOCKET_S * count))


def test_a_node_without_sockets_has_no_windows() -> None:
    assert slots(0, 20.0) == []


@pytest.mark.parametrize("count", [4, 20, 200, 5_000])
def test_no_tenth_of_the_time_holds_more_than_a_quarter_of_the_closes(count: int) -> None:
    now = 0.0
    leavers = Leavers("a reason", clock=lambda: now)
    windows = slots(count, 20.0)
    kinds = random.Random(count)
    for number, window in enumerate(windows):
        leavers.ask(connection(Socket(), name=f"c{number}", v1=kinds.random() < 0.5), window)
    closes: Counter[float] = Counter()
    while leavers:
        before = leavers.closed
        leavers.close_due()
        closes[now] = leavers.closed - before
        now += 0.02
    assert closes.total() == count
    tenth = windows[-1][1] / 10
    assert all(_between(closes, start, start + tenth) <= count / 4 for start in closes)


def _between(closes: Counter[float], start: float, end: float) -> int:
    return sum(number for at, number in closes.items() if start <= at < end)


async def test_everybody_is_asked_at_once_and_closed_in_its_time() -> None:
    node = Leaving()
    modern, plain = node.client("c1", v1=True), node.client("c2")
    await node.drained(20.0)
    assert node.health.is_draining
    (told,) = modern.frames
    assert told["type"] == "drain"
    start_ms, end_ms = told["reconnect_after_ms"]
    assert 0 <= start_ms < end_ms < told["deadline_ms"]
    assert plain.frames == []
    assert [codes(modern), codes(plain)] == [[Close.RESTARTING], [Close.RESTARTING]]


async def test_the_order_is_another_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    shuffled: list[int] = []
    monkeypatch.setattr("app.drain.random.shuffle", lambda all_of_them: shuffled.append(len(all_of_them)))
    node = Leaving()
    for number in range(3):
        node.client(f"c{number}")
    await node.drained(0.0)
    assert shuffled == [3]


async def test_what_waits_too_long_is_stopped_and_its_socket_closed() -> None:
    node = Leaving()
    busy = node.client("c1")
    (waiting,) = node.hub
    waiting.in_flight = 1
    node.inline.waiting = 1
    await node.drained(0.1)
    assert node.inline.stopped == 1
    assert codes(busy) == [Close.RESTARTING]


async def test_a_socket_that_was_let_in_just_before_is_asked_too() -> None:
    node = Leaving()
    node.client("c1")
    draining = asyncio.create_task(node.drained(20.0))
    await until(lambda: node.health.is_draining)
    late = node.client("late", v1=True)
    await draining
    assert [frame["type"] for frame in late.frames] == ["drain"]
    assert codes(late) == [Close.RESTARTING]
