"""Offering what was given back."""

from typing import Any

import orjson
import pytest

from streamer.cluster.calls import Unreachable
from streamer.cluster.handover import Handover
from streamer.cluster.registry import WORKER, Peers
from tests.support import jobs
from tests.unit.streamer.cluster.nodes import Nodes

ABLE: dict[str, Any] = {
    "endpoint": "http://b",
    "free": 3,
    "queues": ["default"],
    "actions": ["report"],
    "draining": False,
}


class World:
    """A registry of workers, and what they are posted."""

    def __init__(self) -> None:
        self.nodes = Nodes()
        nodes: Any = self.nodes
        self.workers = Peers(nodes, WORKER)
        self.posted: list[tuple[str, str, Any]] = []
        self.error: Exception | None = None
        self.handover = Handover(self.post, self.workers, lambda: "me")

    async def post(self, endpoint: str, path: str, body: bytes) -> bytes:
        if self.error is not None:
            raise self.error
        self.posted.append((endpoint, path, orjson.loads(body)))
        return b"{}"

    async def offer(self, **changes: Any) -> None:
        await self.nodes.beat(WORKER, "me", {**ABLE, "endpoint": "http://me"})
        await self.nodes.beat(WORKER, "b", {**ABLE, **changes})
        await self.workers.refresh()
        await self.handover.offer(jobs.row())


async def test_one_that_may_run_it_is_told() -> None:
    world = World()
    await world.offer()
    job = jobs.row()
    hint = {"id": job.job_id, "queue": "default", "action": "report", "wakeup": "direct"}
    assert world.posted == [("http://b", "/internal/hint", {"jobs": [hint]})]


@pytest.mark.parametrize(
    "change", [{"free": 0}, {"queues": ["other"]}, {"actions": []}, {"draining": True}, {"endpoint": ""}]
)
async def test_one_that_may_not_is_left_alone(change: dict[str, Any]) -> None:
    world = World()
    await world.offer(**change)
    assert world.posted == []


async def test_only_one_that_takes_hints_of_this_way_is_told() -> None:
    world = World()
    await world.offer(wakeups=["sweep", "stream"])
    assert world.posted == []
    await world.offer(wakeups=["direct"])
    assert len(world.posted) == 1


async def test_one_that_does_not_answer_costs_nothing() -> None:
    world = World()
    world.error = Unreachable("gone")
    await world.offer()
    assert world.posted == []
