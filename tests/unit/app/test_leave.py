"""Asking connections to leave."""

from collections.abc import Callable

import pytest

from app.connection import Connection
from app.leave import GRACE_S, Leavers
from streamer.protocol.codes import Close
from tests.unit.app.parts import Socket, connection


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Client:
    """A connection with what its client has seen."""

    def __init__(self, name: str, *, v1: bool) -> None:
        self.socket = Socket()
        self.connection: Connection = connection(self.socket, name=name, v1=v1)

    @property
    def closes(self) -> list[tuple[int, str]]:
        return [(each["code"], each["reason"]) for each in self.socket.sent if each["type"] == "websocket.close"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def leavers(clock: Clock) -> Leavers:
    return Leavers("the reason", clock=clock)


@pytest.fixture
def client() -> Callable[..., Client]:
    return lambda name="c1", *, v1=False: Client(name, v1=v1)


def test_a_client_that_knows_drain_is_told_its_window_and_when_it_is_closed(
    leavers: Leavers, client: Callable[..., Client]
) -> None:
    modern = client(v1=True)
    leavers.ask(modern.connection, (1.2, 1.3))
    (frame,) = modern.socket.frames
    del frame["timestamp"]
    assert frame == {
        "type": "drain",
        "reason": "the reason",
        "reconnect_after_ms": [1200, 1300],
        "deadline_ms": 1300 + GRACE_S * 1000,
    }


def test_a_plain_client_is_told_nothing_and_closed_when_its_window_ends(
    leavers: Leavers, clock: Clock, client: Callable[..., Client]
) -> None:
    plain = client()
    leavers.ask(plain.connection, (1.0, 2.0))
    clock.now += 1.99
    leavers.close_due()
    assert plain.socket.sent == []
    clock.now += 0.01
    leavers.close_due()
    assert plain.closes == [(Close.RESTARTING, "the reason")]
    assert not leavers


def test_a_client_that_was_told_has_a_moment_more(
    leavers: Leavers, clock: Clock, client: Callable[..., Client]
) -> None:
    modern = client(v1=True)
    leavers.ask(modern.connection, (1.0, 2.0))
    clock.now += 2.0
    leavers.close_due()
    assert not modern.closes
    clock.now += GRACE_S
    leavers.close_due()
    assert modern.closes


def test_nobody_is_promised_more_time_than_there_is(
    leavers: Leavers, clock: Clock, client: Callable[..., Client]
) -> None:
    modern = client(v1=True)
    leavers.ask(modern.connection, (0.1, 0.2), within_s=0.125)
    (frame,) = modern.socket.frames
    assert (frame["reconnect_after_ms"], frame["deadline_ms"]) == ([100, 125], 125)
    clock.now += 0.125
    leavers.close_due()
    assert modern.closes


def test_an_answer_that_is_under_way_goes_out_first(
    leavers: Leavers, clock: Clock, client: Callable[..., Client]
) -> None:
    busy = client()
    busy.connection.in_flight = 1
    leavers.ask(busy.connection, (0.0, 1.0))
    clock.now += 5.0
    leavers.close_due()
    assert not busy.closes
    assert busy.connection in leavers
    busy.connection.in_flight = 0
    leavers.close_due()
    assert busy.closes


def test_who_has_left_by_itself_is_forgotten(leavers: Leavers, client: Callable[..., Client]) -> None:
    gone = client(v1=True)
    leavers.ask(gone.connection, (0.0, 1.0))
    assert len(leavers) == 1
    gone.connection.outbox.abandon()
    leavers.close_due()
    assert not leavers
    assert not gone.closes
    assert (leavers.asked, leavers.closed, leavers.left) == (1, 0, 1)


def test_no_more_are_closed_at_a_time_than_is_asked_for(leavers: Leavers, client: Callable[..., Client]) -> None:
    clients = [client(f"c{number}") for number in range(5)]
    for each in clients:
        leavers.ask(each.connection, (0.0, 0.0))
    closed = []
    for _ in range(4):
        leavers.close_due(2)
        closed.append(leavers.closed)
    assert closed == [2, 4, 5, 5]
    assert leavers.left == 0
    assert all(len(each.closes) == 1 for each in clients)


def test_a_client_that_waits_for_an_answer_may_wait_for_all_the_time_there_is(
    leavers: Leavers, client: Callable[..., Client]
) -> None:
    busy = client(v1=True)
    busy.connection.in_flight = 1
    leavers.ask(busy.connection, (1.2, 1.3), within_s=20.0)
    assert busy.socket.frames[0]["deadline_ms"] == 20_000
