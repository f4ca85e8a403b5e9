from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from streamer.cli import tables
from streamer.cli.tables import create_tables
from streamer.errors import StoreUnavailable
from streamer.store.base import OpenStore, Store


class Starting:
    """A store that answers from the n-th attempt on."""

    def __init__(self, unreachable: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.attempts = 0
        self.created = 0
        self._unreachable = unreachable
        monkeypatch.setattr(tables, "PAUSE_S", 0)

    def open(self) -> OpenStore:
        @asynccontextmanager
        async def opening() -> AsyncIterator[Store]:
            yield cast("Store", self)

        return opening()

    async def create(self) -> None:
        self.attempts += 1
        if self.attempts <= self._unreachable:
            raise StoreUnavailable
        self.created += 1


def clock(*times: float) -> Callable[[], float]:
    values: Any = iter(times)
    return lambda: next(values)


async def test_it_waits_for_a_store_that_is_not_there_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Starting(2, monkeypatch)
    await create_tables(store.open, wait_s=10, clock=clock(0, 1, 2))
    assert store.created == 1


async def test_it_gives_up_when_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    store = Starting(99, monkeypatch)
    with pytest.raises(StoreUnavailable):
        await create_tables(store.open, wait_s=10, clock=clock(0, 1, 9, 10))
    assert store.attempts == 3
