"""What a node knows of revoked tokens, and whose sockets it closes."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from app.connection import Connection
from app.hub import Hub
from app.revocations import Revocations
from streamer.auth import Principal
from streamer.errors import StoreUnavailable
from streamer.store.revocations import Revocation
from streamer.telemetry.metrics import Metrics
from tests.support.until import until
from tests.unit.app.parts import Socket, connection

CALLER = Principal("ann", "t1", frozenset(), None, token_id="j1", issued=100.0)
ONE_TOKEN = Revocation(tenant="t1", token_id="j1", revoked_ms=1, expires_ms=2)


@dataclass
class World:
    """A store that says what it is told to, and a node with connections."""

    known: list[Revocation] = field(default_factory=list)
    is_away: bool = False
    reads: int = 0
    now: float = 0.0

    def __post_init__(self) -> None:
        self.hub = Hub(Metrics())
        self.sockets: dict[str, Socket] = {}
        self.revocations = Revocations(self, self.hub, clock=lambda: self.now)

    async def list(self) -> Sequence[Revocation]:
        self.reads += 1
        if self.is_away:
            raise StoreUnavailable
        return [*self.known]

    async def revoke(self, revocation: Revocation) -> None:
        raise NotImplementedError

    async def lift(self, tenant: str, *, user: str | None = None, token_id: str | None = None) -> bool:
        raise NotImplementedError

    def connects(self, name: str, principal: Principal = CALLER) -> Connection:
        self.sockets[name] = Socket()
        made = connection(self.sockets[name], name=name, principal=principal)
        made.opened = self.now
        self.hub.add(made)
        return made

    async def learns(self, *known: Revocation) -> None:
        self.known = [*known]
        await self.revocations.refresh()

    def closed(self) -> Sequence[tuple[str, Any]]:
        return [(name, message["code"]) for name, socket in self.sockets.items() for message in socket.sent]


@pytest.fixture
def world() -> World:
    return World()


async def test_a_token_is_revoked_by_its_id_in_its_tenant(world: World) -> None:
    await world.learns(ONE_TOKEN)
    is_revoked = world.revocations.is_revoked
    assert is_revoked(CALLER)
    assert is_revoked(replace(CALLER, user="bob"))
    for other in ({"tenant": "t2"}, {"token_id": "j2"}, {"token_id": None}):
        assert not is_revoked(replace(CALLER, **other))


async def test_tokens_of_a_user_are_revoked_up_to_a_time(world: World) -> None:
    await world.learns(Revocation(tenant="t1", user="ann", revoked_ms=100_500, expires_ms=200_000))
    is_revoked = world.revocations.is_revoked
    assert is_revoked(CALLER)
    assert is_revoked(replace(CALLER, issued=None, token_id=None))
    assert not is_revoked(replace(CALLER, issued=100.5))
    assert not is_revoked(replace(CALLER, user="bob"))
    assert not is_revoked(replace(CALLER, tenant="t2"))


@pytest.mark.parametrize("order", [1, -1])
async def test_of_two_revocations_of_a_user_the_later_counts(world: World, order: int) -> None:
    both = [Revocation(tenant="t1", user="ann", revoked_ms=ms, expires_ms=200_000) for ms in (50_000, 150_000)]
    await world.learns(*both[::order])
    assert world.revocations.is_revoked(replace(CALLER, issued=149.0))


async def test_sockets_of_revoked_tokens_are_closed_and_no_others(world: World) -> None:
    world.connects("ann")
    world.connects("bob", replace(CALLER, user="bob", token_id="j2"))
    renewed = world.connects("renewed")
    renewed.principal = replace(CALLER, token_id="j3")
    with capture_logs() as logs:
        for _ in range(3):
            await world.learns(ONE_TOKEN)
    assert world.closed() == [("ann", 4500)]
    assert logs == [{"event": "revocations_read", "log_level": "info", "revocations": 1, "closed": 1}]


async def test_a_token_that_comes_back_from_revocation_is_let_in(world: World) -> None:
    await world.learns(ONE_TOKEN)
    await world.learns()
    assert not world.revocations.is_revoked(CALLER)


async def test_a_store_that_is_away_makes_nobody_welcome_again(world: World) -> None:
    await world.learns(ONE_TOKEN)
    world.is_away = True
    with pytest.raises(StoreUnavailable):
        await world.revocations.refresh()
    assert world.revocations.is_revoked(CALLER)


async def test_a_handshake_that_was_let_in_before_and_ends_after_a_look_is_closed_by_the_next(world: World) -> None:
    await world.learns(ONE_TOKEN)
    world.now += 1
    world.connects("late")
    await world.learns(ONE_TOKEN)
    assert world.closed() == [("late", 4500)]


async def test_it_looks_again_and_again_whether_the_store_answers_or_not(world: World) -> None:
    world.is_away = True
    looking = asyncio.create_task(world.revocations.run(0.001))
    await until(lambda: world.reads > 2)
    world.is_away, world.known = False, [ONE_TOKEN]
    await until(lambda: world.revocations.is_revoked(CALLER))
    looking.cancel()
