"""Who reads which shard."""

import random
from typing import Any

import pytest

from streamer.cluster.registry import WORKER, Peers
from streamer.store.feed import BEGINNING, LATEST, FeedMissing, Lease, Shard
from tests.support.fake_feed import FakeFeed
from tests.unit.streamer.cluster.nodes import Nodes
from workers.leases import GONE_AFTER, Crew, Shares, crew, readable, unleased, wanted

READS = {"wakeups": ["stream"]}
ALONE = Crew("me", frozenset({"me"}), 1)
TWO = Crew("me", frozenset({"me", "other"}), 2)


def lease(name: str, owner: str | None = None, *, is_done: bool = False) -> Lease:
    return Lease(name, owner, 1, BEGINNING, is_done)


def chosen(leases: list[Lease], of: Crew) -> list[Lease]:
    return wanted(leases, of, random.Random(1))


class World:
    """A feed, and a sweep that succeeds unless told otherwise."""

    def __init__(self) -> None:
        self.feed = FakeFeed()
        self.sweeps = 0
        self.sweep_succeeds = True
        self.shares = Shares(self.feed, on_gap=self.sweep)

    async def sweep(self) -> bool:
        self.sweeps += 1
        return self.sweep_succeeds

    async def round(self, of: Crew = ALONE) -> dict[str, str]:
        """Shard -> position of what is ours."""
        return {lease.shard_id: lease.position for lease in await self.shares.round(of)}


@pytest.fixture
def world() -> World:
    return World()


# --- what each decides --------------------------------------------------------------------------------------


async def test_nobody_is_held_for_gone_before_the_registry_was_read() -> None:
    nodes: Any = Nodes()
    workers = Peers(nodes, WORKER)
    assert crew(workers, "me") is None
    await nodes.beat(WORKER, "me", READS)
    await nodes.beat(WORKER, "leaves", {**READS, "draining": True})
    await nodes.beat(WORKER, "reads nothing", {"wakeups": ["sweep"]})
    await nodes.beat(WORKER, "of an older version", {})
    await workers.refresh()
    assert crew(workers, "me") == Crew("me", frozenset(nodes.rows), 1)


def test_children_get_their_leases_before_their_parents() -> None:
    shards = [Shard("a", "gone", True), Shard("b", "a", True), Shard("c", "b", False), Shard("z", None, False)]
    assert [shard.shard_id for shard in unleased(shards, {})] == ["c", "b", "a", "z"]
    assert [shard.shard_id for shard in unleased(shards, {"c": lease("c")})] == ["b", "a", "z"]


def test_a_child_is_read_after_its_parent() -> None:
    shards = [Shard("a", "gone", True), Shard("b", "a", False)]
    leases = {name: lease(name) for name in ("a", "b")}
    assert readable(shards, leases) == [lease("a")]
    leases["a"] = lease("a", is_done=True)
    assert readable(shards, leases) == [lease("b")]


def test_a_child_whose_parent_has_no_lease_waits() -> None:
    assert readable([Shard("a", None, True), Shard("b", "a", False)], {"b": lease("b")}) == []


def test_free_ones_are_taken_up_to_our_share() -> None:
    free = [lease(name) for name in "abcde"]
    assert len(chosen(free, ALONE)) == 5
    assert len(chosen(free, TWO)) == 3
    assert len(chosen([lease("x", "me"), *free], TWO)) == 2
    assert chosen([lease(name, "me") for name in "xyz"] + free[:1], TWO) == []


def test_what_a_dead_session_held_is_free() -> None:
    assert chosen([lease("a", "dead")], TWO) == [lease("a", "dead")]


def test_one_is_stolen_of_whoever_has_far_more() -> None:
    rich, poor = [lease(name, "other") for name in "ab"], lease("c", "third")
    three = Crew("me", frozenset({"me", "other", "third"}), 3)
    assert len(taken := chosen([*rich, poor], three)) == 1
    assert taken[0] in rich
    assert chosen([*rich, lease("x", "me")], three) == []


def test_without_shards_nothing_is_taken() -> None:
    assert chosen([], TWO) == []


# --- the round ----------------------------------------------------------------------------------------------


async def test_a_first_start_reads_what_comes_from_now_on(world: World) -> None:
    world.feed.shard("a", is_closed=True)
    world.feed.shard("b", parent="a")
    world.feed.shard("c")
    assert await world.round() == {"b": LATEST, "c": LATEST}
    assert world.feed.held["a"].is_done


async def test_a_first_start_that_was_interrupted_goes_on(world: World) -> None:
    world.feed.shard("a", is_closed=True)
    world.feed.shard("b", parent="a")
    await world.feed.create_lease("b", LATEST)
    assert await world.round() == {"b": LATEST}
    assert world.feed.held["a"].is_done


async def test_what_follows_is_read_from_its_beginning(world: World) -> None:
    world.feed.shard("a")
    await world.round()
    world.feed.split("a", "b", "c")
    assert await world.round() == {"a": LATEST}
    await world.feed.checkpoint(world.feed.held["a"], LATEST, is_done=True)
    assert await world.round() == {"b": BEGINNING, "c": BEGINNING}


async def test_a_shard_that_was_closed_when_it_was_first_seen_is_read_where_its_parent_was(world: World) -> None:
    world.feed.shard("a")
    await world.round()
    world.feed.split("a", "b")
    world.feed.split("b", "c")
    await world.round()
    assert {name: held.is_done for name, held in world.feed.held.items()} == {"a": False, "b": False, "c": False}


async def test_a_lease_that_another_takes_first_is_his(world: World) -> None:
    world.feed.shard("a")

    class Hasty(FakeFeed):
        async def take(self, lease: Lease, owner: str) -> Lease:
            await super().take(lease, "other")
            return await super().take(lease, owner)

    world.feed.__class__ = Hasty
    assert await world.round(TWO) == {}
    assert world.feed.held["a"].owner == "other"


async def test_what_another_finishes_first_is_finished(world: World) -> None:
    world.feed.shard("a", is_closed=True)
    world.feed.shard("b")

    class Hasty(FakeFeed):
        async def checkpoint(self, lease: Lease, position: str, *, is_done: bool = False) -> Lease:
            await super().checkpoint(lease, position, is_done=True)
            return await super().checkpoint(lease, position, is_done=is_done)

    world.feed.__class__ = Hasty
    assert await world.round() == {"b": LATEST}


async def test_leases_of_shards_that_are_gone_are_removed_after_many_listings(world: World) -> None:
    world.feed.shard("a")
    world.feed.shard("b")
    await world.round()
    await world.feed.checkpoint(world.feed.held["a"], LATEST, is_done=True)
    world.feed.unlist("a")
    for _ in range(GONE_AFTER - 1):
        await world.round()
    assert set(world.feed.held) == {"a", "b"}
    await world.round()
    assert set(world.feed.held) == {"b"}
    assert world.sweeps == 0


async def test_a_shard_that_is_gone_before_its_end_leaves_a_gap_that_is_swept(world: World) -> None:
    world.feed.shard("a")
    world.feed.shard("b")
    await world.round()
    world.feed.unlist("a")
    world.sweep_succeeds = False
    for _ in range(GONE_AFTER):
        assert "a" not in await world.round()
    assert (world.sweeps, set(world.feed.held)) == (1, {"a", "b"})
    world.sweep_succeeds = True
    await world.round()
    assert (world.sweeps, set(world.feed.held)) == (2, {"b"})


async def test_a_feed_that_was_read_to_its_end_is_over(world: World) -> None:
    world.feed.shard("a")
    await world.round()
    world.feed.close("a")
    assert await world.round() == {"a": LATEST}
    await world.feed.checkpoint(world.feed.held["a"], LATEST, is_done=True)
    with pytest.raises(FeedMissing):
        await world.round()


async def test_a_feed_that_has_no_shard_yet_is_waited_for(world: World) -> None:
    assert await world.round() == {}
