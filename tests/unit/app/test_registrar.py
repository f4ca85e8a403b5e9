import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from app import chore
from app import registrar as registering
from app.hub import Hub
from app.registrar import Registrar
from streamer.errors import StoreUnavailable
from streamer.store.base import Connection, ConnectionStore, StaleBinding
from streamer.telemetry.metrics import Metrics
from tests.support.until import until
from tests.unit.app.parts import Socket, connection


class Store:
    def __init__(self) -> None:
        self.rows: dict[str, Connection] = {}
        self.away = False
        self.calls = 0
        self.pinged: list[str] = []
        self.batches: list[Mapping[str, int]] = []
        self.during_rebind = asyncio.Event()
        self.during_rebind.set()

    def _answer(self) -> None:
        self.calls += 1
        if self.away:
            raise StoreUnavailable

    async def save(self, row: Connection) -> None:
        self._answer()
        self.rows[row.connection_id] = row

    async def rebind(self, row: Connection) -> Connection | None:
        self._answer()
        await self.during_rebind.wait()
        former = self.rows.get(row.connection_id)
        if former is not None and former.reconnects >= row.reconnects:
            raise StaleBinding
        self.rows[row.connection_id] = row
        return former

    async def delete(self, bindings: Mapping[str, int], node_id: str) -> None:
        self._answer()
        assert node_id == "n1"
        self.batches.append(bindings)
        for connection_id, reconnects in bindings.items():
            row = self.rows.get(connection_id)
            if row is not None and row.reconnects <= reconnects:
                del self.rows[connection_id]

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

    def opened(self, *names: str) -> None:
        """Connections that somebody looks for."""
        for name in names:
            self.registrar.add(row(name))
            self.registrar.keep(name)


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def test_rows_are_written_and_removed_in_batches(stage: Stage) -> None:
    names = [f"c{number}" for number in range(150)]
    stage.opened(*names)
    await stage.registrar.flush()
    assert len(stage.store.rows) == 150
    for name in names:
        stage.registrar.remove(name)
    await stage.registrar.flush()
    assert not stage.store.rows
    assert [len(batch) for batch in stage.store.batches] == [100, 50]


async def test_a_row_of_a_connection_that_is_gone_is_not_written(stage: Stage) -> None:
    stage.opened("c1")
    stage.registrar.remove("c1")
    await stage.registrar.flush()
    assert not stage.store.rows


async def test_a_connection_that_does_nothing_for_a_moment_costs_nothing(stage: Stage) -> None:
    stage.registrar.add(row("c1"))
    await stage.registrar.flush()
    stage.registrar.remove("c1")
    stage.registrar.remove("c1")
    await stage.registrar.flush()
    assert not stage.store.calls


async def test_a_connection_that_stays_is_saved(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registering, "SETTLE_S", 0.0)
    task = asyncio.create_task(stage.registrar.run(), name="registrar")
    stage.registrar.add(row("c1"))
    await until(lambda: "c1" in stage.store.rows)
    stage.registrar.keep("c1")
    await stage.registrar.flush()
    assert stage.store.calls == 1
    task.cancel()
    await asyncio.wait([task])


async def test_a_former_id_is_bound_in_place_of_the_given_one(stage: Stage) -> None:
    former = replace(row("former"), node_id="n0", source_ip="10.0.0.1")
    stage.store.rows["former"] = former
    stage.registrar.add(row("given"))
    assert await stage.registrar.rebind("given", "former", 3) == former
    await stage.registrar.flush()
    assert stage.store.rows == {"former": replace(row("former"), reconnects=3)}
    assert stage.store.calls == 1
    stage.registrar.remove("former")
    await stage.registrar.flush()
    assert stage.store.batches == [{"former": 3}]


async def test_a_given_id_that_was_saved_is_removed(stage: Stage) -> None:
    stage.opened("given")
    await stage.registrar.flush()
    assert await stage.registrar.rebind("given", "former", 1) is None
    await stage.registrar.flush()
    assert stage.store.rows.keys() == {"former"}


@pytest.mark.parametrize("error", [StaleBinding, StoreUnavailable])
async def test_a_connection_that_is_not_bound_keeps_its_id(stage: Stage, error: type[Exception]) -> None:
    stage.store.rows["former"] = replace(row("former"), reconnects=3)
    stage.store.away = error is StoreUnavailable
    stage.registrar.add(row("given"))
    with pytest.raises(error):
        await stage.registrar.rebind("given", "former", 3)
    stage.store.away = False
    stage.registrar.keep("given")
    await stage.registrar.flush()
    assert stage.store.rows.keys() == {"former", "given"}


async def test_a_socket_that_goes_while_it_is_bound_leaves_no_row(stage: Stage) -> None:
    stage.store.during_rebind.clear()
    stage.registrar.add(row("given"))
    binding = asyncio.create_task(stage.registrar.rebind("given", "former", 1), name="binding")
    await until(lambda: stage.store.calls == 1)
    stage.registrar.remove("given")
    stage.store.during_rebind.set()
    await binding
    await stage.registrar.flush()
    assert not stage.store.rows


async def test_a_newer_binding_outlives_the_removal_of_an_older_one(stage: Stage) -> None:
    stage.opened("c1")
    await stage.registrar.flush()
    stage.registrar.remove("c1")
    stage.registrar.add(row("given"))
    await stage.registrar.rebind("given", "c1", 1)
    await stage.registrar.flush()
    assert stage.store.batches == [{"c1": 0}]
    assert stage.store.rows["c1"].reconnects == 1


async def test_what_waits_while_the_store_is_away_is_done_later(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chore, "FIRST_BACK_OFF_S", 0.0)
    stage.store.away = True
    task = asyncio.create_task(stage.registrar.run(), name="registrar")
    stage.opened("c1")
    await until(lambda: stage.store.calls >= 2)
    stage.store.away = False
    await until(lambda: "c1" in stage.store.rows)
    task.cancel()
    await asyncio.wait([task])


async def test_what_waits_to_be_removed_is_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registering, "MAX_REMOVED", 3)
    names = [f"c{number}" for number in range(5)]
    stage.opened(*names)
    await stage.registrar.flush()
    for name in names:
        stage.registrar.remove(name)
    await stage.registrar.flush()
    assert stage.store.batches == [{"c2": 0, "c3": 0, "c4": 0}]


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
    stage.opened("c1")
    with pytest.raises(RuntimeError):
        await stage.registrar.run()


async def test_what_was_saved_beside_a_row_that_was_not_is_not_saved_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = stage.store.save
    saved: list[str] = []

    async def one_fails(saving: Connection) -> None:
        saved.append(saving.connection_id)
        if saved == ["c1", "c2"]:
            raise StoreUnavailable
        await save(saving)

    monkeypatch.setattr(stage.store, "save", one_fails)
    stage.opened("c1", "c2", "c3")
    with pytest.raises(StoreUnavailable):
        await stage.registrar.flush()
    await stage.registrar.flush()
    assert saved == ["c1", "c2", "c3", "c2"]
    assert stage.store.rows.keys() == {"c1", "c2", "c3"}


async def test_a_newer_binding_that_ends_while_an_older_one_is_removed_is_removed_too(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete = stage.store.delete
    newer = replace(row("c1"), reconnects=1)

    async def meanwhile(bindings: Mapping[str, int], node_id: str) -> None:
        await delete(bindings, node_id)
        if bindings == {"c1": 0}:
            stage.store.rows["c1"] = newer
            stage.registrar.add(newer)
            stage.registrar.keep("c1")
            stage.registrar.remove("c1")

    monkeypatch.setattr(stage.store, "delete", meanwhile)
    stage.opened("c1")
    stage.registrar.remove("c1")
    await stage.registrar.flush()
    assert stage.store.batches == [{"c1": 0}, {"c1": 1}]
    assert not stage.store.rows
