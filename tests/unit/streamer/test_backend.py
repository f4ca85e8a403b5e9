"""How often a back end reads the registry of workers, and what it learns there."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from streamer.backend import Workers
from streamer.cluster.registry import WORKER, Peers
from streamer.store.base import NodeRow
from tests.unit.streamer.cluster.nodes import Nodes
from tests.unit.streamer.cluster.stopwatch import Stopwatch


class Counted(Nodes):
    """Counts the reads."""

    def __init__(self) -> None:
        super().__init__()
        self.rows["w1"] = NodeRow(WORKER, "w1", 1, {"turns": {"default": 7}})
        self.reads = 0

    async def list(self, kind: str) -> Sequence[NodeRow]:
        self.reads += 1
        return await super().list(kind)


class Scene:
    def __init__(self) -> None:
        self.nodes = Counted()
        self.watch = Stopwatch()
        self.learnt: list[Mapping[str, Any]] = []
        turns: Any = self  # what is needed of a Turnstile: `learn`
        self.workers = Workers(Peers(self.nodes, WORKER), turns, fresh_s=2.0, clock=self.watch)

    def learn(self, info: Mapping[str, Any]) -> None:
        self.learnt.append(info)


async def test_it_learns_from_workers_how_far_the_queues_have_come() -> None:
    scene = Scene()
    await scene.workers.look()
    assert scene.learnt == [{"turns": {"default": 7}}]


async def test_it_looks_at_most_once_per_beat() -> None:
    scene = Scene()
    await asyncio.gather(*(scene.workers.look() for _ in range(3)))
    assert scene.nodes.reads == 1
    await scene.watch.sleep(1.9)
    await scene.workers.look()
    assert scene.nodes.reads == 1
    await scene.watch.sleep(0.2)
    await scene.workers.look()
    assert scene.nodes.reads == 2


async def test_a_registry_that_cannot_be_read_is_left_alone_for_a_beat() -> None:
    scene = Scene()
    scene.nodes.is_away = True
    for _ in range(2):
        await scene.workers.look()
    assert (scene.nodes.reads, scene.learnt) == (1, [])
