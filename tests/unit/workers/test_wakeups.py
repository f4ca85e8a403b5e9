"""Which jobs get the free slots."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from dataclasses import replace
from typing import Any

import pytest

from streamer.errors import StoreUnavailable
from streamer.jobs.dispatch import SHARDS, Candidate
from streamer.jobs.model import Job
from streamer.store.base import now_ms
from streamer.store.looking import Backlog
from streamer.telemetry.metrics import Metrics
from tests.support import jobs
from tests.support.until import until
from workers import wakeups as wakeups_module
from workers.heads import Heads
from workers.order import Lead, Wakeup
from workers.slots import Slots
from workers.wakeups import Wakeups


class World:
    """An index with jobs in shards, and slots that run them until they are let go."""

    def __init__(self, slots: int, ways: Collection[str] = ("direct", "stream", "sweep")) -> None:
        self.index: dict[int, list[Candidate]] = {}
        self.timers: dict[int, list[Candidate]] = {}
        self.reads = 0
        self.is_away = False
        self.is_open = True
        self.claimed: list[Lead] = []
        self.refused: set[str] = set()
        self.done: dict[str, asyncio.Event] = {}
        self.on_read: Callable[[], None] = lambda: None
        self.metrics = Metrics()
        self.slots = Slots(slots, self.metrics)
        requests: Any = self
        self.wakeups = Wakeups(
            heads=Heads(requests, ["q"], self.metrics),
            slots=self.slots,
            claim=self.claim,
            run=self.run,
            is_open=lambda: self.is_open,
            live_workers=lambda: 0,
            queues=["q"],
            actions=["report", "rare"],
            ways=ways,
            sweep_s=60.0,
            limits={"rare": 1},
        )

    def put(
        self, shard: int, name: str, rank: int, *, action: str = "report", timer: bool = False, tenant: str = "acme"
    ) -> None:
        where = self.timers if timer else self.index
        found = Candidate(name, "q", action, tenant, rank, created_ms=rank, sort=f"{rank:013d}#{name}")
        where.setdefault(shard, []).append(found)

    async def ready(self, _queue: str, shard: int, limit: int, *, after: str | None = None) -> Sequence[Candidate]:
        self.reads += 1
        self.on_read()
        if self.is_away:
            raise StoreUnavailable
        return self.page(self.index, shard, limit, after)

    async def due(
        self, _queue: str, shard: int, limit: int, *, after: str | None = None, within_ms: int = 0
    ) -> Sequence[Candidate]:
        by = now_ms() + within_ms
        return [found for found in self.page(self.timers, shard, limit, after) if found.rank <= by]

    def page(self, where: dict[int, list[Candidate]], shard: int, limit: int, after: str | None) -> Sequence[Candidate]:
        return [found for found in where.get(shard, []) if found.sort > (after or "")][:limit]

    async def backlog(self, _queue: str) -> Backlog:
        return Backlog(1234, 1)

    async def claim(self, lead: Lead) -> Job | None:
        self.claimed.append(lead)
        if lead.job_id in self.refused:
            return None
        self.done[lead.job_id] = asyncio.Event()
        return replace(jobs.row(), job_id=lead.job_id)

    async def run(self, row: Job) -> None:
        await self.done[row.job_id].wait()

    def names(self) -> list[str]:
        return [lead.job_id for lead in self.claimed]

    async def close(self) -> None:
        await self.wakeups.close()
        await self.slots.close()

    async def looked(self) -> None:
        """No look is under way."""
        await until(lambda: self.wakeups._filling is None or self.wakeups._filling.done())

    async def end(self, name: str) -> None:
        await until(lambda: name in self.done)
        for shard in (*self.index.values(), *self.timers.values()):
            shard[:] = [found for found in shard if found.job_id != name]
        self.done[name].set()


def hint(name: str, *, queue: str = "q", action: str = "report", wakeup: Wakeup = "direct") -> Lead:
    return Lead(name, queue, action, wakeup)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World(slots=2)
    yield world
    await world.close()


async def test_a_sweep_takes_the_best_of_all_shards(world: World) -> None:
    world.put(0, "c", 30)
    world.put(3, "a", 10)
    world.put(5, "b", 20, timer=True)
    await world.wakeups.sweep()
    await until(lambda: len(world.claimed) == 2)
    assert world.names() == ["b", "a"]
    assert [lead.due_ms for lead in world.claimed] == [20, None]
    assert world.metrics.registry.get_sample_value("streamer_queue_depth", {"queue": "q"}) == 3


async def test_a_sweep_that_cannot_see_the_end_asks_how_much_waits(world: World) -> None:
    for number in range(50):
        world.put(0, f"j{number:02}", number)
    await world.wakeups.sweep()
    assert world.metrics.registry.get_sample_value("streamer_queue_depth", {"queue": "q"}) == 1234


async def test_an_empty_queue_has_no_age(world: World) -> None:
    await world.wakeups.sweep()
    assert world.metrics.registry.get_sample_value("streamer_oldest_ready_age_seconds", {"queue": "q"}) == 0


async def test_actions_of_others_are_skipped(world: World) -> None:
    world.put(0, "x", 1, action="theirs")
    world.put(0, "a", 2)
    await world.wakeups.sweep()
    await until(lambda: world.claimed)
    assert world.names() == ["a"]
    assert world.wakeups.hinted([hint("y", action="theirs"), hint("z", queue="other")]) == []


async def test_under_load_a_freed_slot_is_filled_at_once(world: World) -> None:
    for number, shard in enumerate((0, 1, 2, 3, 4)):
        world.put(shard, f"j{number}", number)
    await world.wakeups.sweep()
    ended: list[str] = []
    while len(ended) < 5:  # in the order in which they were taken: of two shards, a slot takes the best
        await until(lambda: len(world.done) > len(ended))
        ended.append(world.names()[len(ended)])
        await world.end(ended[-1])
    await until(lambda: len(world.claimed) == 5 and world.slots.free == 2)
    assert {lead.wakeup for lead in world.claimed} == {"sweep", "slot"}


def test_every_shard_has_its_turn_before_any_has_the_next_one(world: World) -> None:
    for _ in range(3):
        looks = [world.wakeups._next_shards() for _ in range(SHARDS // 2)]
        assert sorted(shard for two in looks for shard in two) == list(range(SHARDS))


async def test_without_load_a_freed_slot_reads_nothing(world: World) -> None:
    world.put(0, "a", 1)
    await world.wakeups.sweep()
    reads = world.reads
    await world.end("a")
    await until(lambda: world.slots.free == 2)
    assert world.reads == reads


async def test_a_job_that_was_not_to_be_had_is_left_alone_for_a_while(world: World) -> None:
    world.refused.add("a")
    world.put(0, "a", 1)
    await world.wakeups.sweep()
    await until(lambda: world.slots.free == 2 and world.claimed)
    await world.wakeups.sweep()
    assert world.names() == ["a"]
    world.refused.clear()
    assert world.wakeups.hinted([hint("a")]) == ["a"]
    await until(lambda: world.names() == ["a", "a"])


async def test_what_is_left_alone_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeups_module, "MAX_REMEMBERED", 1)
    for name in ("a", "b", "c"):
        world.refused.add(name)
        world.wakeups.hinted([hint(name)])
        await until(lambda: world.slots.free == 2)
    assert set(world.wakeups._refused) == {"a", "b", "c"}  # none is over yet: it grows until they are


async def test_hints_of_a_way_that_this_worker_does_not_go_are_not_taken() -> None:
    world = World(slots=2, ways=["stream"])
    assert world.wakeups.hinted([hint("a"), hint("b", wakeup="stream")]) == ["b"]
    await until(lambda: [lead.wakeup for lead in world.claimed] == ["stream"])
    await world.close()


async def test_hints_get_slots_while_there_are_some(world: World) -> None:
    hints = [hint(name) for name in ("a", "b", "c")]
    assert world.wakeups.hinted(hints) == ["a", "b"]
    assert world.wakeups.hinted(hints) == ["a", "b"]
    await until(lambda: len(world.claimed) == 2)
    world.put(0, "c", 1)
    await world.end("a")
    await until(lambda: world.names() == ["a", "b", "c"])


async def test_a_closed_worker_takes_nothing(world: World) -> None:
    world.is_open = False
    world.put(0, "a", 1)
    await world.wakeups.sweep()
    assert world.wakeups.hinted([hint("a")]) == []
    assert world.claimed == []


async def test_a_retry_that_we_wrote_is_started_by_our_own_timer(world: World) -> None:
    row = replace(jobs.row(), job_id="a", queue="q", due_ms=now_ms() + 20)
    world.wakeups.due_later(row)
    await until(lambda: world.names() == ["a"])
    assert world.claimed[0].due_ms == row.due_ms


async def test_timers_are_bounded_and_end_with_the_worker(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wakeups_module, "MAX_REMEMBERED", 1)
    world.wakeups.due_later(replace(jobs.row(), job_id="never"))
    for name in ("a", "b"):
        world.wakeups.due_later(replace(jobs.row(), job_id=name, queue="q", due_ms=now_ms() + 3_600_000))
    assert list(world.wakeups._timers) == ["a"]
    await world.wakeups.close()
    assert world.wakeups._timers == {}


async def test_what_we_gave_back_is_taken_at_once(world: World) -> None:
    world.wakeups.ready_now(replace(jobs.row(), job_id="a", queue="q"))
    await until(lambda: world.names() == ["a"])


async def test_a_store_that_is_away_ends_neither_sweep_nor_filling(world: World) -> None:
    world.wakeups.hinted([hint("a"), hint("b")])
    world.is_away = True
    await world.wakeups.sweep()
    await world.end("a")
    await until(lambda: world.slots.free == 1)
    await until(lambda: world.wakeups._filling is not None and world.wakeups._filling.done())
    world.is_away = False
    world.put(0, "c", 1)
    await world.wakeups.sweep()
    await until(lambda: "c" in world.names())


async def test_sweeps_go_on(world: World) -> None:
    world.wakeups._sweep_s = 0.001
    sweeping = asyncio.create_task(world.wakeups.sweep_for_ever())
    await until(lambda: world.reads > 16)
    sweeping.cancel()
    await asyncio.wait([sweeping])


async def test_a_sweep_that_the_store_did_not_answer_is_made_again_soon(world: World) -> None:
    world.put(0, "a", 1)
    world.is_away = True
    sweeping = asyncio.create_task(world.wakeups.sweep_for_ever())
    await until(lambda: world.reads >= 2)
    world.is_away = False
    await until(lambda: world.names() == ["a"])
    sweeping.cancel()
    await asyncio.wait([sweeping])


async def test_whoever_does_not_wake_up_by_sweeps_looks_at_everything_now_and_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wakeups_module, "NET_S", 0.001)
    world = World(slots=2, ways=["direct"])
    sweeping = asyncio.create_task(world.wakeups.sweep_for_ever())
    await until(lambda: world.reads > 16)
    world.put(0, "a", 1)
    await until(lambda: world.names() == ["a"])
    sweeping.cancel()
    await asyncio.wait([sweeping])
    await world.close()


async def test_and_keeps_the_timers_that_nobody_else_may_keep() -> None:
    world = World(slots=2, ways=["direct"])
    world.put(0, "soon", now_ms() + 50, timer=True)
    world.put(0, "later", now_ms() + 3_600_000, timer=True)
    await world.wakeups.sweep()
    assert list(world.wakeups._timers) == ["soon"]
    await until(lambda: world.names() == ["soon"])
    await world.close()


async def test_what_we_are_told_of_while_more_waits_comes_after_what_is_before_it(world: World) -> None:
    """Virtual time is that of what was started last: a late job that is started early would take all along."""
    world.wakeups.hinted([hint("a"), hint("b")])
    world.put(0, "first", 1)
    world.put(0, "second", 2)
    told: list[str] = []
    world.on_read = lambda: told.extend(world.wakeups.hinted([hint("late")]) if "late" not in told else [])
    await world.end("a")
    await until(lambda: "first" in world.names())
    assert told == ["late"]
    assert "late" not in world.names()
    await world.end("b")
    await until(lambda: world.names()[2:] == ["first", "second"])


async def test_what_we_are_told_of_while_looking_gets_the_slot_that_nothing_else_needs(world: World) -> None:
    """The index may be late, so the look need not have shown it."""
    world.wakeups.hinted([hint("a"), hint("b")])
    told: list[str] = []
    world.on_read = lambda: told.extend([] if told else world.wakeups.hinted([hint("new")]))
    await world.end("a")
    await until(lambda: world.names() == ["a", "b", "new"])
    assert told == ["new"]


async def test_the_stream_shows_a_job_that_waits(world: World) -> None:
    row = replace(jobs.row(), job_id="a", queue="q")
    assert world.wakeups.streamed(row)
    assert world.wakeups.streamed(row)  # it has a slot already
    await until(lambda: [lead.wakeup for lead in world.claimed] == ["stream"])
    assert world.wakeups.streamed(replace(row, action="theirs"))
    assert world.wakeups.streamed(replace(row, job_id="b"))
    assert not world.wakeups.streamed(replace(row, job_id="c"))  # no slot is free
    await until(lambda: world.names() == ["a", "b"])


async def test_a_worker_that_may_not_claim_leaves_what_the_stream_shows_to_others(world: World) -> None:
    world.is_open = False
    assert not world.wakeups.streamed(replace(jobs.row(), job_id="a", queue="q"))


async def test_a_delayed_job_that_the_stream_shows_is_started_when_it_is_due(world: World) -> None:
    row = replace(jobs.row(), job_id="a", queue="q", due_ms=now_ms() + 3_600_000)
    assert world.wakeups.streamed(row)
    sooner = replace(row, due_ms=now_ms() + 20)
    assert world.wakeups.streamed(sooner)
    assert len(world.wakeups._timers) == 1
    await until(lambda: world.names() == ["a"])
    assert (world.claimed[0].due_ms, world.claimed[0].wakeup) == (sooner.due_ms, "stream")


async def test_no_more_of_an_action_run_than_may(world: World) -> None:
    world.put(0, "r1", 1, action="rare")
    world.put(0, "r2", 2, action="rare")
    world.put(0, "a", 3)
    await world.wakeups.sweep()
    await until(lambda: world.names() == ["r1", "a"])
    await world.end("a")
    await until(lambda: world.slots.free == 1)
    await world.looked()
    assert world.wakeups.hinted([hint("r3", action="rare")]) == []
    assert world.names() == ["r1", "a"]
    await world.end("r1")
    await until(lambda: world.names() == ["r1", "a", "r2"])


async def test_an_action_at_its_limit_costs_no_looks(world: World) -> None:
    world.put(0, "r1", 1, action="rare")
    world.put(0, "r2", 2, action="rare")
    await world.wakeups.sweep()
    assert world.wakeups.hinted([hint("a")]) == ["a"]
    await world.end("a")
    await until(lambda: world.slots.free == 1)
    await world.looked()
    reads = world.reads
    assert world.wakeups.hinted([hint("b")]) == ["b"]
    assert world.reads == reads


async def test_a_hint_at_a_job_of_an_action_at_its_limit_is_not_parked(world: World) -> None:
    world.wakeups.hinted([hint("r1", action="rare"), hint("a")])
    world.is_away = True  # it stays loaded
    await world.end("a")
    await until(lambda: world.slots.free == 1)
    await world.looked()
    assert world.wakeups.hinted([hint("r2", action="rare")]) == []
    assert world.wakeups.hinted([hint("b")]) == ["b"]
    await until(lambda: "b" in world.names())


async def test_a_thousand_jobs_of_others_do_not_hide_ours(world: World) -> None:
    for number in range(1_000):
        world.put(0, f"x{number:04}", number, action="theirs")
    world.put(0, "ours", 1_000)
    await world.wakeups.sweep()
    await world.wakeups.sweep()
    await until(lambda: world.names() == ["ours"])
