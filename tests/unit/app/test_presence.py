"""Who is connected, as it is listed and shared by those who ask at the same time."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest

from app.presence import Present, Roster
from app.shared import KEPT_S
from streamer.cluster.presence import Presence
from streamer.errors import StoreUnavailable
from streamer.store.base import Connection
from tests.support.until import until


def row(user: str, connected_ms: int) -> Connection:
    return Connection(
        connection_id=f"{user}{connected_ms}",
        node_id="n1",
        tenant="t1",
        user=user,
        connected_ms=connected_ms,
        last_ping_ms=connected_ms,
    )


class Rows:
    """Stands for `Presence`; a listing waits while it is not `open`."""

    def __init__(self, *rows: Connection) -> None:
        self.rows = list(rows)
        self.asked: list[str] = []
        self.open = asyncio.Event()
        self.open.set()
        self.is_away = False

    async def of_tenant(self, tenant: str) -> Sequence[Connection]:
        self.asked.append(tenant)
        await self.open.wait()
        if self.is_away:
            raise StoreUnavailable
        return list(self.rows)

    async def of_user(self, tenant: str, user: str) -> Sequence[Connection]:
        self.asked.append(f"{tenant}/{user}")
        return [each for each in self.rows if each.user == user]


class Stage:
    def __init__(self, *rows: Connection) -> None:
        self.rows = Rows(*rows)
        self.now = 100.0
        self.roster = Roster(cast("Presence", self.rows), clock=lambda: self.now)


async def test_users_are_counted_from_their_oldest_connection_on() -> None:
    stage = Stage(row("bob", 3), row("ann", 2), row("ann", 1), row("Ann", 9))
    assert await stage.roster.of_tenant("t1") == [Present("Ann", 1, 9), Present("ann", 2, 1), Present("bob", 1, 3)]
    assert await stage.roster.of_user("t1", "ann") == [Present("ann", 2, 1)]
    assert await stage.roster.of_user("t1", "carl") == []


async def test_a_listing_is_kept_for_a_moment() -> None:
    stage = Stage(row("ann", 1))
    await stage.roster.of_tenant("t1")
    stage.rows.rows.append(row("bob", 2))
    stage.now += KEPT_S - 0.01
    assert len(await stage.roster.of_tenant("t1")) == 1
    stage.now += 0.01
    assert len(await stage.roster.of_tenant("t1")) == 2
    assert stage.rows.asked == ["t1", "t1"]


async def test_tenants_are_walls() -> None:
    stage = Stage(row("ann", 1))
    await stage.roster.of_tenant("t1")
    stage.rows.rows.clear()
    assert await stage.roster.of_tenant("t2") == []


async def test_who_comes_while_it_is_read_waits_for_the_same_listing() -> None:
    stage = Stage(row("ann", 1))
    stage.rows.open.clear()
    first = asyncio.create_task(stage.roster.of_tenant("t1"), name="first")
    await until(lambda: stage.rows.asked)
    stage.now += 2 * KEPT_S  # the store takes its time
    second = asyncio.create_task(stage.roster.of_tenant("t1"), name="second")
    first.cancel()
    await asyncio.wait([first])
    stage.rows.open.set()
    assert await second == [Present("ann", 1, 1)]
    assert stage.rows.asked == ["t1"]


async def test_a_store_that_is_away_is_asked_again_a_moment_later() -> None:
    stage = Stage(row("ann", 1))
    stage.rows.is_away = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await stage.roster.of_tenant("t1")
    stage.rows.is_away = False
    stage.now += KEPT_S
    assert await stage.roster.of_tenant("t1")
    assert stage.rows.asked == ["t1", "t1"]


async def test_outdated_listings_are_not_kept() -> None:
    stage = Stage()
    for number in range(100):
        await stage.roster.of_tenant(f"t{number}")
        stage.now += KEPT_S
    assert len(stage.roster._tenants._readings) == 1
