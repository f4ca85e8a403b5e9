"""What a look at the index shows, and what it reads for it."""

from collections.abc import Sequence
from typing import Any

import pytest

from streamer.jobs.dispatch import Candidate
from streamer.store.looking import Backlog
from streamer.telemetry.metrics import Metrics
from tests.support.jobs import Clock
from workers import heads as heads_module
from workers.heads import COUNT_EVERY_MS, MAX_PAGES, PAGE, Heads
from workers.order import Lead


class World:
    """An index of one shard. `asked`: partition, limit and where each read began."""

    def __init__(self, *queues: str) -> None:
        self.waiting: dict[str, list[Candidate]] = {"ready": [], "due": []}
        self.asked: list[tuple[str, int, str | None]] = []
        self.counted = 0
        self.clock = Clock()
        self.metrics = Metrics()
        requests: Any = self
        self.heads = Heads(requests, queues or ["q"], self.metrics, clock=self.clock)

    def put(self, kind: str, name: str, rank: int, *, action: str = "report", tenant: str = "a") -> None:
        sort = f"{rank:013d}#{name}"
        self.waiting[kind].append(Candidate(name, "q", action, tenant, rank, self.clock() - 5_000, sort))

    def remove(self, name: str) -> None:
        for found in self.waiting.values():
            found[:] = [each for each in found if each.job_id != name]

    async def ready(self, queue: str, _shard: int, limit: int, *, after: str | None = None) -> Sequence[Candidate]:
        return self._page("ready", queue, limit, after)

    async def due(self, queue: str, _shard: int, limit: int, *, after: str | None = None) -> Sequence[Candidate]:
        return self._page("due", queue, limit, after)

    def _page(self, kind: str, queue: str, limit: int, after: str | None) -> Sequence[Candidate]:
        self.asked.append((kind, limit, after))
        found = [each for each in self.waiting[kind] if each.queue == queue and each.sort > (after or "")]
        return found[:limit]

    async def backlog(self, _queue: str) -> Backlog:
        self.counted += 1
        return Backlog(1_234, self.clock() - 9_000)

    async def look(self, limit: int = 2, *, wakeup: Any = "slot") -> list[str]:
        return [lead.job_id for lead in await self.heads.read([0], limit, wakeup, is_ours)]

    def depth(self) -> float | None:
        return self.metrics.registry.get_sample_value("streamer_queue_depth", {"queue": "q"})


def is_ours(lead: Lead) -> bool:
    return lead.action == "report"


@pytest.fixture
def world() -> World:
    return World()


async def test_a_head_with_something_wanted_is_one_read(world: World) -> None:
    for number in range(5):
        world.put("ready", f"r{number}", number)
    assert await world.look() == ["r0", "r1"]
    assert world.asked == [("ready", 2, None), ("due", 2, None)]


async def test_a_look_goes_on_behind_what_nobody_here_can_run(world: World) -> None:
    for number in range(1_000):
        world.put("ready", f"x{number:03}", number, action="theirs")
    world.put("ready", "ours", 1_000)
    assert await world.look() == []
    assert sum(kind == "ready" for kind, *_ in world.asked) == 1 + MAX_PAGES
    assert await world.look() == ["ours"]
    assert await world.look() == ["ours"]  # and stays there as long as there is something


async def test_at_the_end_it_begins_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads_module, "MAX_PAGES", 1)
    for number in range(PAGE + 3):
        world.put("ready", f"x{number:03}", number, action="theirs")
    assert [await world.look(), await world.look()] == [[], []]
    world.waiting["ready"].insert(3, Candidate("ours", "q", "report", "a", 2, 0, f"{2:013d}#y"))
    assert await world.look() == ["ours"]


async def test_an_empty_head_forgets_where_it_was(world: World) -> None:
    for number in range(2 * MAX_PAGES * PAGE):
        world.put("ready", f"x{number:04}", number, action="theirs")
    assert await world.look() == []
    world.waiting["ready"].clear()
    assert await world.look() == []
    assert world.heads._resume == {}


async def test_the_many_timers_of_one_tenant_do_not_hide_those_of_another(world: World) -> None:
    for number in range(PAGE + 10):
        world.put("due", f"a{number:03}", number)
    world.put("due", "b1", 5_000, tenant="b")
    assert await world.look() == ["a000", "a001"]
    assert await world.look() == ["a000", "b1", "a001"]
    assert await world.look() == ["a000", "b1", "a001"]
    world.remove("b1")
    assert await world.look() == ["a000", "a001"]


async def test_a_sweep_measures_what_waits(world: World) -> None:
    world.put("ready", "x", 1, action="theirs")
    world.put("due", "t", 1)
    assert await world.look(10, wakeup="sweep") == ["t"]
    assert (world.depth(), world.counted) == (2, 0)
    assert world.metrics.registry.get_sample_value("streamer_oldest_ready_age_seconds", {"queue": "q"}) == 5


async def test_what_no_look_can_see_is_counted_now_and_then(world: World) -> None:
    for number in range(3):
        world.put("ready", f"r{number}", number)
    for _ in range(3):
        await world.look(wakeup="sweep")
    assert (world.depth(), world.counted) == (1_234, 1)
    world.clock.advance(COUNT_EVERY_MS)
    await world.look(wakeup="sweep")
    assert world.counted == 2


async def test_each_queue_is_read() -> None:
    world = World("q", "gpu")
    world.put("ready", "r", 1)
    assert await world.look() == ["r"]
    assert len(world.asked) == 4
