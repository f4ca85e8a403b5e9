"""The last that a node does; the rest of its life is in tests/integration/app."""

import asyncio
import signal
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest
from structlog.testing import capture_logs

from app import lifespan
from app.hub import Hub
from app.lifespan import Life
from streamer.errors import StoreUnavailable
from streamer.settings import Settings
from streamer.telemetry.metrics import Metrics
from tests.unit.app.parts import Socket, connection


class World:
    """The store and the parts of a node, and what they were told in the end."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.error: Exception | None = None
        self.answers = asyncio.Event()
        self.answers.set()

    def part(self, name: str) -> Any:
        async def flush(*_: Any) -> None:
            await self.answers.wait()
            if self.error is not None:
                raise self.error
            self.told.append(f"{name} flushed")

        def forget(about: Any) -> None:
            self.told.append(f"{name} {getattr(about, 'connection_id', about)}")

        async def remove_row(kind: str, _: str, *, beat: int | None = None) -> None:
            assert beat is None
            self.told.append(f"{name} {kind}")

        if name == "nodes":
            return SimpleNamespace(remove=remove_row)
        return SimpleNamespace(flush=flush, remove=forget, leave=forget)


def life(world: World, *names: str) -> Life:
    hub = Hub(Metrics())
    for name in names:
        hub.add(connection(Socket(), name=name))
    node = SimpleNamespace(
        hub=hub, node_id="n1", registrar=world.part("registrar"), listeners=world.part("listeners"), internal_url=""
    )
    parts = SimpleNamespace(node=node, courier=world.part("courier"))
    store = SimpleNamespace(nodes=world.part("nodes"))
    return Life(cast("Any", parts), Settings(), cast("Any", store))


async def test_every_look_at_the_workers_tells_how_far_the_queues_have_come() -> None:
    learned: list[Any] = []
    seen: list[None] = []
    rows = [SimpleNamespace(info={"turns": {"default": 7}}), SimpleNamespace(info={})]
    parts = SimpleNamespace(
        node=SimpleNamespace(node_id="n1"),
        workers=SimpleNamespace(rows=lambda: rows),
        hints=SimpleNamespace(workers_seen=lambda: seen.append(None)),
    )
    store = SimpleNamespace(nodes=None, turns=SimpleNamespace(learn=learned.append))
    Life(cast("Any", parts), Settings(), cast("Any", store))._workers_seen()
    assert learned == [{"turns": {"default": 7}}, {}]
    assert len(seen) == 1


async def test_who_is_still_there_leaves_no_row_and_the_node_goes_last() -> None:
    """A socket whose end nobody has said as yet: its client will look for another node."""
    world = World()
    await life(world, "n1.a", "n1.b").leave()
    assert world.told == [
        *("registrar n1.a", "listeners n1.a", "registrar n1.b", "listeners n1.b"),
        *("registrar flushed", "listeners flushed", "nodes app", "courier flushed"),
    ]


async def test_a_store_that_is_away_does_not_keep_the_node() -> None:
    world = World()
    world.error = StoreUnavailable()
    with capture_logs() as logs:
        await life(world).leave()
    assert [line["event"] for line in logs] == ["node_row_left"]
    assert world.told == []


async def test_a_store_that_does_not_answer_does_not_keep_it_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifespan, "GOODBYE_S", 0.01)
    world = World()
    world.answers.clear()
    with capture_logs() as logs:
        await life(world).leave()
    assert [line["event"] for line in logs] == ["node_row_left"]


@pytest.fixture
def signals() -> Iterator[list[int]]:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, _: heard.append(number))
    yield heard
    signal.signal(signal.SIGTERM, before)


def test_a_node_with_a_part_missing_leaves_as_when_it_is_told_to(signals: list[int]) -> None:
    lifespan._stop_process()
    assert signals == [signal.SIGTERM]
