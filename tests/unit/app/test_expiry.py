"""When a connection hears of the end of its token, and what ends when."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.connection import Connection
from app.expiry import Expiry
from streamer.protocol.codes import Close
from tests.unit.app.parts import ANN, Socket, connection

NOW = 1_000_000.0


class Times:
    """A loop's timers, and the wall clock that they go by."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = NOW
        self.due: dict[Any, tuple[float, Callable[[], None]]] = {}
        monkeypatch.setattr(asyncio.get_running_loop(), "call_later", self.call_later)

    def call_later(self, delay_s: float, step: Callable[..., None], *arguments: Any) -> Any:
        timer = _Timer(self.due)
        self.due[timer] = (self.now + delay_s, lambda: step(*arguments))
        return timer

    def pass_until(self, moment: float) -> None:
        """Everything that is due by then happens at its time."""
        while (soon := min(self.due.items(), key=lambda each: each[1][0], default=None)) and soon[1][0] <= moment:
            del self.due[soon[0]]
            self.now = soon[1][0]
            soon[1][1]()
        self.now = moment


class _Timer:
    def __init__(self, due: dict[Any, Any]) -> None:
        self._due = due

    def cancel(self) -> None:
        self._due.pop(self, None)


class Stage:
    def __init__(self, times: Times, *, lasts_s: float | None, v1: bool = True, grace_s: float = 25.0) -> None:
        self.times = times
        self.socket = Socket()
        self.connection: Connection = connection(self.socket, principal=replace(ANN, expires=_end(lasts_s)), v1=v1)
        self.expiry = Expiry(self.connection, grace_s, clock=lambda: times.now)
        self.expiry.start()

    def is_expired_at(self, moment: float) -> bool:
        self.times.pass_until(moment)
        return self.connection.is_expired

    @property
    def closes(self) -> list[Any]:
        return [message["code"] for message in self.socket.sent if message["type"] == "websocket.close"]


def _end(lasts_s: float | None) -> float | None:
    return None if lasts_s is None else NOW + lasts_s


@pytest.fixture
async def times(monkeypatch: pytest.MonkeyPatch) -> Times:
    return Times(monkeypatch)


async def test_a_minute_ahead_it_is_told_then_it_expires_and_after_the_grace_it_is_closed(times: Times) -> None:
    stage = Stage(times, lasts_s=3_600)
    times.pass_until(NOW + 3_539)
    assert stage.socket.sent == []
    times.pass_until(NOW + 3_540)
    assert stage.socket.frames == [{"type": "token_expiring", "expires_at": NOW + 3_600, "timestamp": NOW + 3_540}]
    assert [stage.is_expired_at(NOW + left) for left in (3_599, 3_600)] == [False, True]
    times.pass_until(NOW + 3_624)
    assert stage.closes == []
    times.pass_until(NOW + 3_625)
    assert stage.closes == [Close.TOKEN_EXPIRED]
    assert len(stage.socket.frames) == 1


async def test_a_short_life_is_told_of_at_its_half(times: Times) -> None:
    stage = Stage(times, lasts_s=10)
    times.pass_until(NOW + 5)
    assert [frame["type"] for frame in stage.socket.frames] == ["token_expiring"]


async def test_a_plain_client_is_told_nothing_and_ends_all_the_same(times: Times) -> None:
    stage = Stage(times, lasts_s=10, v1=False)
    times.pass_until(NOW + 10)
    assert stage.connection.is_expired
    times.pass_until(NOW + 40)
    assert (stage.socket.frames, stage.closes) == ([], [Close.TOKEN_EXPIRED])


async def test_a_new_token_starts_anew(times: Times) -> None:
    stage = Stage(times, lasts_s=10)
    times.pass_until(NOW + 12)
    stage.connection.principal = replace(ANN, expires=NOW + 1_000)
    stage.expiry.start()
    assert not stage.connection.is_expired
    times.pass_until(NOW + 939)
    assert len(stage.socket.frames) == 1
    times.pass_until(NOW + 999)
    assert len(stage.socket.frames) == 2
    assert stage.closes == []
    times.pass_until(NOW + 1_025)
    assert stage.closes == [Close.TOKEN_EXPIRED]


async def test_without_an_end_nothing_is_waited_for(times: Times) -> None:
    Stage(times, lasts_s=None)
    assert not times.due


async def test_a_connection_that_is_gone_is_not_waited_for(times: Times) -> None:
    Stage(times, lasts_s=10).expiry.cancel()
    assert not times.due
