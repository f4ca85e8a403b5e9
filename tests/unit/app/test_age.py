"""Connections that have become old."""

import asyncio
import contextlib

import pytest

from app import age
from app.age import MAX_AT_ONCE, Ages
from app.health import Health
from app.hub import Hub
from streamer.protocol.codes import Close
from streamer.telemetry.metrics import Metrics
from tests.support.until import until
from tests.unit.app.parts import Socket, connection

MAX_AGE_S = 1_000.0


class House:
    """A node's connections, all opened at 0."""

    def __init__(self) -> None:
        self.now = 0.0
        self.hub = Hub(Metrics())
        self.health = Health()
        self.ages = Ages(self.hub, self.health, MAX_AGE_S, clock=lambda: self.now)

    def client(self, name: str = "c1", *, v1: bool = False) -> Socket:
        socket = Socket()
        opened = connection(socket, name=name, v1=v1)
        opened.opened = 0.0
        self.hub.add(opened)
        return socket

    def look(self, now: float) -> None:
        self.now = now
        self.ages.look()


@pytest.fixture
def house() -> House:
    return House()


def is_closed(socket: Socket) -> bool:
    return [message.get("code") for message in socket.sent][-1:] == [Close.RESTARTING]


def test_an_old_connection_is_asked_to_leave_and_closed_when_it_did_not(house: House) -> None:
    modern, plain = house.client("c1", v1=True), house.client("c2")
    house.look(MAX_AGE_S * 0.8)
    assert modern.sent == plain.sent == []
    house.look(MAX_AGE_S * 1.2)
    (told,) = modern.frames
    assert (told["type"], told["reason"], told["reconnect_after_ms"]) == ("drain", "connection age", [0, 3000])
    assert plain.sent == []
    house.look(MAX_AGE_S * 1.2 + 1)
    assert len(modern.frames) == 1, "asked once"
    house.look(MAX_AGE_S * 1.2 + 4)
    assert is_closed(modern)
    assert is_closed(plain)


def test_who_waits_for_an_answer_gets_it_first(house: House) -> None:
    busy = house.client()
    (waiting,) = house.hub
    waiting.in_flight = 1
    for seconds in range(10):
        house.look(MAX_AGE_S * 1.2 + seconds)
    assert busy.sent == []
    waiting.in_flight = 0
    house.look(MAX_AGE_S * 2)
    assert is_closed(busy)


def test_those_who_came_together_do_not_leave_together(house: House) -> None:
    sockets = [house.client(f"n1.{number}", v1=True) for number in range(MAX_AT_ONCE)]
    asked = []
    for percent in (90, 95, 100, 105, 110):
        house.look(MAX_AGE_S * percent / 100)
        asked.append(sum(bool(socket.sent) for socket in sockets))
    assert asked[-1] == len(sockets), "all at last"
    assert asked == sorted(set(asked)), f"some each time: {asked}"


def test_no_more_than_so_many_leave_at_a_time(house: House) -> None:
    modern = [house.client(f"m{number}", v1=True) for number in range(2 * MAX_AT_ONCE)]
    plain = [house.client(f"p{number}") for number in range(2 * MAX_AT_ONCE)]
    for seconds in range(20):
        asked, closed = sum(bool(socket.sent) for socket in modern), sum(map(is_closed, plain))
        house.look(MAX_AGE_S * 2 + seconds)
        assert sum(bool(socket.sent) for socket in modern) - asked <= MAX_AT_ONCE
        assert sum(map(is_closed, plain)) - closed <= MAX_AT_ONCE
    assert all(map(is_closed, modern + plain))


def test_a_socket_that_is_gone_is_not_asked(house: House) -> None:
    socket = house.client(v1=True)
    (gone,) = house.hub
    gone.outbox.abandon()
    house.look(MAX_AGE_S * 2)
    assert socket.sent == []


def test_a_node_that_leaves_does_it_by_itself(house: House) -> None:
    socket = house.client(v1=True)
    house.health.is_draining = True
    house.look(MAX_AGE_S * 2)
    assert socket.sent == []


async def test_somebody_looks_again_and_again(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(age, "LOOK_AGAIN_S", 0.0)
    running = asyncio.create_task(house.ages.run())
    await asyncio.sleep(0)
    socket = house.client(v1=True)
    house.now = MAX_AGE_S * 2
    await until(lambda: socket.sent)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running
