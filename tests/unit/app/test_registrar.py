import asyncio
from collections.abc import Collection
from typing import Any, cast

import pytest

from app import registrar as registering
from app.hub import Hub
from app.registrar import Registrar
from streamer.errors import StoreUnavailable
from streamer.store.base import Connection, ConnectionStore
from streamer.telemetry.metrics import Metrics
from tests.support.until import until
from tests.unit.app.parts import Socket, connection


class Store:
    def __init__(self) -> None:
        self.rows: dict[str, Connection] = {}
        self.away = False
        self.calls = 0
        self.pinged: list[str] = []
        self.batches: list[int] = []

    def _answer(self) -> None:
        self.calls += 1
        if self.away:
            raise StoreUnavailable

    async def save(self, row: Connection) -> None:
        self._answer()
        self.rows[row.connection_id] = row

    async def delete(self, ids: Collection[str], node_id: str) -> None:
        self._answer()
        assert node_id == "n1"
        self.batches.append(len(ids))
        for connection_id in ids:
            self.rows.pop(connection_id, None)

    async def update_last_ping(self, connection_id: str, node_id: str, now_ms: int) -> None:
        self._answer()
        assert (node_id, now_ms) == ("n1", 5)
        self.pinged.append(connection_id)


def row(name: str) -> Connection:
    return Connection(connection_id=name, node_id="n1", tenant="t", user="u", connected_ms=0, last_ping_ms=0)


class Stage:
    def __init__(self) -> None:
        self.store = Store()
        self.hub = Hub(Metrics())
        self.registrar = Registrar(cast("ConnectionStore", self.store), "n1", self.hub, clock=lambda: 5)


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def test_rows_are_written_and_removed_in_batches(stage: Stage) -> None:
    for number in range(150):
        stage.registrar.add(row(f"c{number}"))
    await stage.registrar.flush()
    assert len(stage.store.rows) == 150
    for number in range(150):
        stage.registrar.remove(f"c{number}")
    await stage.registrar.flush()
    assert not stage.store.rows
    assert stage.store.batches == [100, 50]


async def test_a_row_of_a_connection_that_is_gone_is_not_written(stage: Stage) -> None:
    stage.registrar.add(row("c1"))
    stage.registrar.remove("c1")
    await stage.registrar.flush()
    assert not stage.store.rows


async def test_it_goes_on_when_the_store_comes_back(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registering, "FIRST_BACK_OFF_S", 0.0)
    stage.store.away = True
    task = asyncio.create_task(stage.registrar.run(), name="registrar")
    stage.registrar.add(row("c1"))
    await until(lambda: stage.store.calls >= 2)
    stage.store.away = False
    await until(lambda: "c1" in stage.store.rows)
    task.cancel()
    await asyncio.wait([task])


async def test_what_waits_to_be_removed_is_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registering, "MAX_REMOVED", 3)
    for number in range(5):
        stage.registrar.remove(f"c{number}")
    await stage.registrar.flush()
    assert stage.store.batches == [3]


async def test_long_lived_connections_are_pinged(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("c1", "c2"):
        stage.hub.add(connection(Socket(), name=name))
    monkeypatch.setattr(registering, "PING_S", 0.0)
    task = asyncio.create_task(stage.registrar.keep_alive(), name="pings")
    await until(lambda: len(stage.store.pinged) >= 2)
    task.cancel()
    await asyncio.wait([task])
    stage.store.away = True
    await stage.registrar.ping_all()
    assert stage.store.pinged[:2] == ["c1", "c2"]


async def test_a_fault_of_the_store_is_not_swallowed(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(_: Any) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr(stage.store, "save", broken)
    stage.registrar.add(row("c1"))
    with pytest.raises(RuntimeError):
        await stage.registrar.run()
