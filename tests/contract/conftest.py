"""A store of each engine, open, with a clock that stands still."""

from collections.abc import AsyncIterator

import pytest

from streamer.store.base import Store, now_ms
from tests.support.jobs import Clock
from tests.support.store import Engine, Scene


@pytest.fixture
def clock() -> Clock:
    """Begins now, on a whole second: a server that deletes by time to live must not think that rows are old."""
    return Clock(now_ms() // 1000 * 1000)


@pytest.fixture
async def store(engine: Engine, clock: Clock) -> AsyncIterator[Store]:
    async with engine.open(clock=clock) as opened:
        yield opened


@pytest.fixture
def scene(store: Store, clock: Clock) -> Scene:
    return Scene(store, clock)
