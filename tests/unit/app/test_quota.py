"""How many jobs of a tenant may wait."""

import asyncio
from typing import Any, cast

import pytest

from app import quota as rules
from app.quota import Quota
from app.tasks import Tasks
from streamer.errors import RateLimited, StoreUnavailable
from tests.support.until import until


class World:
    """A store in which so many jobs wait, and a clock. A count takes until `go`."""

    def __init__(self) -> None:
        self.waiting = 0
        self.counts: list[tuple[str, str, int]] = []
        self.error: StoreUnavailable | None = None
        self.go = asyncio.Event()
        self.go.set()
        self.now = 100.0
        self.nodes = 1
        self.tasks = Tasks(lambda: None)

    async def count_waiting(self, queue: str, tenant: str, limit: int) -> int:
        self.counts.append((queue, tenant, limit))
        await self.go.wait()
        if self.error is not None:
            raise self.error
        return min(self.waiting, limit)

    def quota(self, limit: int) -> Quota:
        return Quota(cast("Any", self), self.tasks, limit, lambda: self.nodes, clock=lambda: self.now)


@pytest.fixture
async def world() -> World:
    return World()


async def store(quota: Quota, tenant: str = "t1") -> None:
    """One submit that is stored at once."""
    with await quota.admit("default", tenant):
        pass


async def test_without_a_limit_nothing_is_counted(world: World) -> None:
    quota = world.quota(0)
    for _ in range(100):
        await store(quota)
    assert not world.counts


async def test_an_unknown_tenant_is_counted_first(world: World) -> None:
    world.waiting = 5
    quota = world.quota(5)
    with pytest.raises(RateLimited, match="At most 5 jobs of a tenant may wait in the queue default") as refused:
        await store(quota)
    assert refused.value.after_ms == 1_000
    assert world.counts == [("default", "t1", 5)]


async def test_below_the_limit_one_count_is_enough(world: World) -> None:
    quota = world.quota(10)
    for _ in range(10):
        await store(quota)
    assert len(world.counts) == 1
    with pytest.raises(RateLimited):
        await store(quota)
    assert len(world.counts) == 1  # a moment ago


async def test_a_second_later_it_is_counted_anew(world: World) -> None:
    quota = world.quota(2)
    await store(quota)
    await store(quota)
    world.now += 1.0
    world.waiting = 1  # one was started meanwhile
    await store(quota)
    with pytest.raises(RateLimited):
        await store(quota)
    assert len(world.counts) == 2


async def test_other_nodes_are_taken_to_admit_as_much(world: World) -> None:
    world.nodes = 3
    quota = world.quota(6)
    await store(quota)
    await store(quota)
    world.now += 1.0
    world.waiting = 2  # they did not
    await store(quota)
    assert len(world.counts) == 2


async def test_where_only_the_guess_is_over_the_limit_the_next_count_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "COUNT_AGAIN_S", 0.02)
    world.nodes = 3
    quota = world.quota(6)
    await store(quota)
    await store(quota)
    world.waiting = 2
    await store(quota)
    assert len(world.counts) == 2


async def test_submits_of_one_moment_share_a_count_and_do_not_pass_the_limit(world: World) -> None:
    world.go.clear()
    world.waiting = 7
    quota = world.quota(10)
    submits = [asyncio.create_task(store(quota)) for _ in range(20)]
    await until(lambda: world.counts)
    world.go.set()
    results = await asyncio.gather(*submits, return_exceptions=True)
    assert [type(result) for result in results].count(RateLimited) == 17
    assert len(world.counts) == 1


async def test_what_is_not_stored_yet_is_not_forgotten_by_a_count(world: World) -> None:
    quota = world.quota(2)
    place = await quota.admit("default", "t1")
    with place:
        await store(quota)
        world.now += 1.0
        world.waiting = 1  # the store has not seen the first one
        with pytest.raises(RateLimited):
            await store(quota)


async def test_who_gives_up_waiting_takes_the_count_from_nobody(world: World) -> None:
    world.go.clear()
    quota = world.quota(1)
    one, other = asyncio.create_task(store(quota)), asyncio.create_task(store(quota))
    await until(lambda: world.counts)
    one.cancel()
    await asyncio.wait([one])
    world.go.set()
    await other
    assert one.cancelled()


async def test_where_the_store_is_away_nobody_is_admitted(world: World) -> None:
    quota = world.quota(5)
    world.error = StoreUnavailable("away")
    with pytest.raises(StoreUnavailable):
        await store(quota)
    world.error = None
    await store(quota)
    assert not world.tasks.died


async def test_who_waits_for_a_count_hears_when_the_node_stops(world: World) -> None:
    world.go.clear()
    waiting = asyncio.create_task(store(world.quota(5)))
    await until(lambda: world.counts)
    await world.tasks.stop()
    with pytest.raises(StoreUnavailable):
        await waiting


async def test_tenants_and_queues_are_counted_apart(world: World) -> None:
    quota = world.quota(1)
    await store(quota, "t1")
    await store(quota, "t2")
    with await quota.admit("other", "t1"):
        pass
    assert [count[:2] for count in world.counts] == [("default", "t1"), ("default", "t2"), ("other", "t1")]


async def test_who_is_idle_is_forgotten(world: World) -> None:
    quota = world.quota(5)
    await store(quota, "idle")
    world.now += 400
    await store(quota, "busy")
    world.now += 400
    await store(quota, "busy")
    assert [tenant for _, tenant in quota._tallies] == ["busy"]


async def test_of_too_many_the_ones_used_the_longest_ago_are_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MAX_REMEMBERED", 2)
    quota = world.quota(5)
    for tenant in ("a", "b", "a", "c"):
        await store(quota, tenant)
    assert [tenant for _, tenant in quota._tallies] == ["a", "c"]
