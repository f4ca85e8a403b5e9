"""What overtakes what, between an `auth` frame and its answer; what a client sees is in tests/integration/app."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import cast

from app.connection import Connection
from app.handshake import Doorkeeper, Refused
from app.renewal import Renewals
from app.watch import Watches
from streamer.auth import Principal
from streamer.errors import ServiceUnavailable, Unauthorized
from streamer.protocol.codes import Close
from streamer.protocol.messages import Auth
from tests.support.until import until
from tests.unit.app.parts import ANN, Socket, connection

ANEW = replace(ANN, permissions=frozenset({"new"}))


@dataclass
class World:
    """A doorkeeper that thinks about each token until `go`."""

    answer: Principal | Refused = ANEW
    asked: list[str] = field(default_factory=list)
    withdrawn: list[Principal] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def renew(self, _: Principal, token: str) -> Principal:
        self.asked.append(token)
        await self.go.wait()
        if isinstance(self.answer, Refused):
            raise self.answer
        return self.answer

    async def withdraw(self, watcher: Connection) -> None:
        self.withdrawn.append(watcher.principal)


class Stage:
    def __init__(self, *, v1: bool = True) -> None:
        self.world = World()
        self.socket = Socket()
        self.connection = connection(self.socket, v1=v1)
        self.renewed = 0
        self.connection.renewed = self.note
        self.renewals = Renewals(cast("Doorkeeper", self.world), cast("Watches", self.world))

    def note(self) -> None:
        self.renewed += 1

    async def renews(self) -> None:
        self.world.go.set()
        await self.renewals.renew(self.connection, Auth("t"))

    def told(self) -> list[str]:
        return [frame["error"]["code"] if "error" in frame else frame["type"] for frame in self.socket.frames]


async def test_a_fresh_token_counts_at_once() -> None:
    stage = Stage()
    await stage.renews()
    assert stage.connection.principal is stage.world.answer
    assert stage.world.withdrawn == [stage.world.answer]
    assert stage.told() == ["authenticated"]


async def test_a_plain_client_is_told_nothing() -> None:
    stage = Stage(v1=False)
    await stage.renews()
    assert stage.connection.principal is stage.world.answer
    assert stage.told() == []


async def test_a_socket_that_went_meanwhile_gets_no_new_timers() -> None:
    stage = Stage()
    stage.world.answer = replace(ANN, expires=9e9)
    checking = asyncio.create_task(stage.renewals.renew(stage.connection, Auth("t")))
    await until(lambda: stage.world.asked)
    stage.connection.outbox.abandon()
    stage.world.go.set()
    await checking
    assert (stage.renewed, stage.connection.principal) == (0, ANN)


async def test_a_bad_token_closes_the_socket() -> None:
    stage = Stage()
    stage.world.answer = Refused("unauthorized", 401, Close.TOKEN_REJECTED, Unauthorized())
    await stage.renews()
    assert (stage.told(), stage.socket.sent[-1]["code"]) == ([], Close.TOKEN_REJECTED)


async def test_where_no_token_can_be_checked_the_socket_stays() -> None:
    stage = Stage()
    stage.world.answer = Refused("unavailable", 503, Close.RESTARTING, ServiceUnavailable(after_ms=7))
    await stage.renews()
    assert stage.socket.frames[-1]["error"]["retry"] == {"retryable": True, "after_ms": 7}
    assert not stage.connection.outbox.closed
    stage.world.answer = replace(ANN)
    await stage.renews()
    assert stage.told() == ["SERVICE_UNAVAILABLE", "authenticated"]
