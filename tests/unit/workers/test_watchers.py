"""Subscriptions, read when somebody came or went."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from streamer.errors import StoreUnavailable
from streamer.store.base import Subscription
from tests.support.until import until
from workers.watchers import Watchers


class World:
    """Subscriptions whose readings a test holds up."""

    def __init__(self) -> None:
        self.watching: list[str] = []
        self.reads = 0
        self.changes = 0
        self.is_away = False
        self.release = asyncio.Event()
        self.release.set()
        parts: Any = self
        self.watchers = Watchers("j1", parts, self.changed)

    def changed(self) -> None:
        self.changes += 1

    async def list_by_request(self, job_id: str) -> Sequence[Subscription]:
        self.reads += 1
        found = [
            Subscription(job_id=job_id, connection_id=name, tenant="t", user="u", expires_ms=1)
            for name in self.watching
        ]
        await self.release.wait()
        if self.is_away:
            raise StoreUnavailable
        return found


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    world.watchers.close()
    await world.watchers.ended()


async def test_they_are_read_once_per_version(world: World) -> None:
    world.watching = ["w1"]
    for version in (0, 2, 2, 1):
        world.watchers.heard(version)
    await until(lambda: world.changes == 1)
    assert (world.watchers.connections, world.reads) == (frozenset({"w1"}), 1)


async def test_whoever_came_during_a_reading_is_read_by_the_next(world: World) -> None:
    world.release.clear()
    world.watchers.heard(1)
    await until(lambda: world.reads == 1)
    world.watching = ["w1"]
    world.watchers.heard(2)
    reading = asyncio.create_task(world.watchers.read(), name="read")
    world.release.set()
    await reading
    assert (world.watchers.connections, world.reads) == (frozenset({"w1"}), 2)


async def test_they_are_read_when_the_store_is_back(world: World) -> None:
    world.watching, world.is_away = ["w1"], True
    world.watchers.heard(1)
    await until(lambda: world.reads >= 2)
    world.is_away = False
    await until(lambda: world.watchers.connections == {"w1"})


async def test_when_the_attempt_is_over_nobody_reads(world: World) -> None:
    world.release.clear()
    reading = asyncio.create_task(world.watchers.read(), name="read")
    await until(lambda: world.reads == 1)
    world.watchers.close()
    await asyncio.wait([reading])
    assert reading.cancelled()
    world.watchers.heard(9)
    with pytest.raises(asyncio.CancelledError):
        await world.watchers.read()
    await world.watchers.ended()
    assert world.reads == 1
