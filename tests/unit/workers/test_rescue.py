"""Burying the dead."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from streamer.cluster.registry import APP, WORKER, Peers
from streamer.errors import Fenced, StoreUnavailable
from streamer.jobs.model import Job, Status
from streamer.telemetry.metrics import Metrics
from tests.support import jobs
from tests.unit.streamer.cluster.nodes import Nodes
from workers.rescue import Rescue


class World:
    """A registry of still counters; `running` are the jobs of the dead worker."""

    def __init__(self) -> None:
        self.nodes = Nodes()
        self.running_jobs: list[Job] = []
        self.errors: dict[str, Exception] = {}
        self.told: list[Job] = []
        self.ready: list[Job] = []
        self.learned: list[Mapping[str, Any]] = []
        self.metrics = Metrics()
        parts: Any = self
        nodes: Any = self.nodes
        self.rescue = Rescue(
            workers=Peers(nodes, WORKER),
            apps=Peers(nodes, APP),
            nodes=nodes,
            requests=parts,
            reports=parts,
            metrics=self.metrics,
            on_ready=self.ready.append,
            learn=self.learned.append,
            own_id=lambda: "me",
            known_actions=["report"],
            beat_s=3600.0,
            dead_s=0.0,
        )

    async def running(self, _queue: str, _session: str) -> Sequence[Job]:
        if "running" in self.errors:
            raise self.errors["running"]
        return list(self.running_jobs)

    async def lost(self, job: Job) -> Job:
        if "lost" in self.errors:
            raise self.errors["lost"]
        self.running_jobs.remove(job)
        return replace(job, status=Status.PENDING if job.max_retries else Status.FAILED, owner=None)

    async def tell(self, row: Job, _reason: object) -> None:
        self.told.append(row)

    async def look(self, kind: str = WORKER, times: int = 4) -> None:
        for _ in range(times):
            await self.rescue.look(kind)

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"streamer_{name}", labels) or 0.0


@pytest.fixture
async def world() -> World:
    world = World()
    await world.nodes.beat(WORKER, "me", {})
    await world.nodes.beat(WORKER, "dead", {"queues": ["default"]})
    return world


async def test_the_jobs_go_back_and_then_the_row_goes(world: World) -> None:
    mine = jobs.row_in(Status.PROCESSING, action="report")
    theirs = replace(mine, job_id="j2", action="unknown", max_retries=0)
    world.running_jobs = [mine, theirs]
    await world.look()
    assert {row.job_id for row in world.told} == {mine.job_id, "j2"}
    assert [row.job_id for row in world.ready] == [mine.job_id]
    assert "dead" in world.nodes.rows
    assert world.counted("jobs_given_back_total", reason="lost") == 2
    assert world.counted("attempts_total", action="report", outcome="lost") == 1
    assert world.counted("attempts_total", action="unknown", outcome="lost") == 0
    await world.look(times=1)
    assert set(world.nodes.rows) == {"me"}
    assert world.counted("sessions_dead_total") == 1
    assert {"queues": ["default"]} in world.learned


async def test_a_job_that_ended_otherwise_is_not_told(world: World) -> None:
    world.running_jobs = [jobs.row_in(Status.PROCESSING)]
    world.errors["lost"] = Fenced()
    await world.look()
    assert world.told == []


async def test_a_store_that_goes_away_interrupts_a_burial(world: World) -> None:
    world.errors["running"] = StoreUnavailable()
    await world.look()
    assert "dead" in world.nodes.rows
    world.errors.clear()
    await world.look(times=1)
    assert "dead" not in world.nodes.rows


async def test_a_registry_that_cannot_be_read_kills_nobody(world: World) -> None:
    await world.look(times=3)
    world.nodes.is_away = True
    await world.look(times=1)
    world.nodes.is_away = False
    await world.look(times=3)
    assert "dead" in world.nodes.rows
    await world.look(times=1)
    assert "dead" not in world.nodes.rows


async def test_a_dead_node_only_loses_its_row(world: World) -> None:
    await world.nodes.beat(APP, "n1", {})
    await world.look(APP)
    assert "n1" not in world.nodes.rows
    assert world.counted("sessions_dead_total") == 0
