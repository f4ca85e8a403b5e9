"""Outcomes of workers that may have died before they sent them."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from streamer.cluster.registry import WORKER, Peers
from streamer.jobs.model import Job, Status
from streamer.telemetry.metrics import Metrics
from tests.support import jobs
from tests.support.jobs import NOON_MS, Clock
from tests.support.until import until
from tests.unit.streamer.cluster.nodes import Nodes
from workers import outbox as outbox_module
from workers.outbox import Outbox

DONE = jobs.row_in(Status.COMPLETED, routes=frozenset({"c"}))


class World:
    """A registry in which we and a writer beat."""

    def __init__(self, *, beat_s: float) -> None:
        self.nodes = Nodes()
        nodes: Any = self.nodes
        self.workers = Peers(nodes, WORKER)
        self.clock = Clock(NOON_MS)
        self.sent: list[Job] = []
        self.me = "me"
        self.metrics = Metrics()
        self.outbox = Outbox(
            workers=self.workers,
            send=self.send,
            own_id=lambda: self.me,
            metrics=self.metrics,
            beat_s=beat_s,
            clock=self.clock,
        )

    async def send(self, row: Job) -> None:
        self.sent.append(row)

    async def beat(self, *sessions: str) -> None:
        """These have beaten, we too; the registry was read again, and everything judged."""
        for session in (*sessions, self.me):
            await self.nodes.beat(WORKER, session, {})
        await self.workers.refresh()
        await self.outbox.look()


@pytest.fixture
def world() -> World:
    return World(beat_s=0.0)


@pytest.fixture
def patient() -> World:
    return World(beat_s=3600.0)


async def test_an_outcome_of_a_session_that_is_gone_is_sent_when_it_is_two_seconds_old(world: World) -> None:
    world.outbox.keep("gone", DONE)
    world.clock.advance(2_000)
    await world.beat()
    assert world.sent == []
    world.clock.advance(1)
    await world.beat()
    assert world.sent == [DONE]
    assert world.metrics.registry.get_sample_value("streamer_outcomes_resent_total") == 1
    await world.beat()
    assert world.sent == [DONE]


async def test_a_writer_that_goes_on_sends_it_itself(world: World) -> None:
    await world.nodes.beat(WORKER, "writer", {})
    world.outbox.keep("writer", DONE)
    await world.beat()
    assert len(world.outbox) == 1
    await world.beat("writer")
    assert len(world.outbox) == 0
    assert world.sent == []


async def test_a_writer_that_stands_still_is_replaced(world: World) -> None:
    await world.nodes.beat(WORKER, "writer", {})
    world.outbox.keep("writer", DONE)
    await world.beat()

    async def is_sent() -> bool:
        await world.beat()
        return world.sent == [DONE]

    await until(is_sent)


async def test_the_last_beat_of_a_writer_that_died_is_no_sign_of_life(world: World) -> None:
    """It came to the registry between our last read and the outcome, so the first look does not show it."""
    await world.beat("writer")
    world.outbox.keep("writer", DONE)
    await world.beat()
    await world.beat("writer")

    async def is_sent() -> bool:
        await world.beat()
        return world.sent == [DONE]

    await until(is_sent)


async def test_a_writer_has_two_beats_of_time(patient: World) -> None:
    await patient.nodes.beat(WORKER, "writer", {})
    patient.outbox.keep("writer", DONE)
    for _ in range(5):
        await patient.beat()
    assert patient.sent == []


async def test_a_registry_that_was_not_read_again_says_nothing(world: World) -> None:
    await world.nodes.beat(WORKER, "writer", {})
    world.outbox.keep("writer", DONE)
    await world.beat()
    for _ in range(5):
        await world.nodes.beat(WORKER, "writer", {})
        await world.outbox.look()
    assert len(world.outbox) == 1


async def test_nothing_is_judged_before_we_are_in_the_registry(world: World) -> None:
    world.clock.advance(60_000)
    world.outbox.keep("gone", DONE)
    await world.outbox.look()
    assert world.sent == []


async def test_what_nobody_listens_to_or_we_wrote_is_not_kept(world: World) -> None:
    world.outbox.keep("gone", replace(DONE, routes=frozenset()))
    world.outbox.keep("me", DONE)
    assert len(world.outbox) == 0
    world.outbox.keep("gone", replace(DONE, routes=frozenset(), watch_version=1))
    assert len(world.outbox) == 1


async def test_the_oldest_goes_where_there_are_too_many(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "MAX_KEPT", 2)
    for name in ("a", "b", "c"):
        world.outbox.keep("gone", replace(DONE, job_id=name))
    world.clock.advance(60_000)
    await world.beat()
    assert [row.job_id for row in world.sent] == ["b", "c"]


async def test_it_looks_for_ever(world: World) -> None:
    world.outbox.keep("gone", DONE)
    world.clock.advance(60_000)
    await world.nodes.beat(WORKER, "me", {})
    await world.workers.refresh()
    running = asyncio.create_task(world.outbox.run())
    await until(lambda: world.sent)
    running.cancel()
    await asyncio.wait([running])
