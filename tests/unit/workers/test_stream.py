"""Workers that share the shards of a feed."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from streamer.cluster.registry import WORKER, Peers
from streamer.store.feed import Change
from streamer.telemetry.metrics import Metrics
from tests.support import jobs
from tests.support.fake_feed import FakeFeed, FakeFeeds
from tests.support.until import until
from tests.unit.streamer.cluster.nodes import Nodes
from workers.shard import Pace
from workers.stream import Stream, Timing

ROW = jobs.row()
QUICK = Timing(list_s=0.05, soon_s=0.002, look_s=0.001, missing_s=0.01, pace=Pace(0.001, 0.003, 0.01))
LISTS_ONCE = replace(QUICK, list_s=3600.0)
"""A listing comes only where something asks for it."""


class Reader:
    """One worker as far as the stream goes: a session in the registry, and what it has seen."""

    def __init__(self, world: "World", session: str, timing: Timing) -> None:
        self.world = world
        self.session = session
        self.seen: list[str] = []
        self.sweeps = 0
        self.fault: Exception | None = None
        self.metrics = Metrics()
        self.stream = Stream(
            world.feeds,
            workers=world.workers,
            own_id=lambda: self.session,
            handle=self.handle,
            sweep=self.sweep,
            metrics=self.metrics,
            timing=timing,
        )
        self.task = asyncio.create_task(self.stream.run())

    async def handle(self, changes: Sequence[Change]) -> None:
        if self.fault is not None:
            raise self.fault
        self.seen += [change.after.job_id for change in changes if change.after]

    async def sweep(self) -> bool:
        self.sweeps += 1
        return True

    @property
    def shards(self) -> float:
        return self.metrics.registry.get_sample_value("streamer_stream_shards") or 0.0

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])


class World:
    """A feed, a registry that everybody sees alike, and readers."""

    def __init__(self) -> None:
        self.feed = FakeFeed()
        self.feeds = FakeFeeds(self.feed)
        self.nodes = Nodes()
        nodes: Any = self.nodes
        self.workers = Peers(nodes, WORKER)
        self.readers: list[Reader] = []
        self.written: list[str] = []

    async def join(self, session: str) -> None:
        await self.nodes.beat(WORKER, session, {"wakeups": ["stream"]})
        await self.workers.refresh()

    async def vanish(self, session: str) -> None:
        await self.nodes.remove(WORKER, session)
        await self.workers.refresh()

    async def reader(self, session: str, timing: Timing = QUICK) -> Reader:
        await self.join(session)
        self.readers.append(Reader(self, session, timing))
        return self.readers[-1]

    def write(self, shard: str, count: int = 1) -> None:
        for _ in range(count):
            name = f"j{len(self.written)}"
            self.written.append(name)
            self.feed.write(shard, replace(ROW, job_id=name))

    def seen(self) -> list[str]:
        return [name for reader in self.readers for name in reader.seen]

    async def all_seen(self) -> None:
        await until(lambda: set(self.seen()) == set(self.written))

    async def owned(self, **leases: int) -> None:
        """So many leases are held by each of these, and none by anybody else; they are read."""
        await until(lambda: self.feed.owners() == Counter(leases) and self.feed.is_read(), what=str(leases))

    def no_feed_until(self, feed: FakeFeed) -> None:
        self.feed.is_missing = True
        self.feed = self.feeds.feed = feed


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for reader in world.readers:
        await reader.stop()


@pytest.fixture
def four(world: World) -> World:
    for name in "abcd":
        world.feed.shard(name)
    return world


async def test_two_workers_share_four_shards_evenly(four: World) -> None:
    first, second = await four.reader("one"), await four.reader("two")
    await four.owned(one=2, two=2)
    await until(lambda: first.shards == second.shards == 2)
    for name in "abcd":
        four.write(name, 5)
    await four.all_seen()


async def test_a_worker_that_comes_later_gets_its_share(four: World) -> None:
    await four.reader("one")
    await four.owned(one=4)
    await four.reader("two")
    await four.owned(one=2, two=2)


async def test_a_worker_that_leaves_hands_on_what_it_has_not_seen(four: World) -> None:
    first, second = await four.reader("one"), await four.reader("two", LISTS_ONCE)
    await four.owned(one=2, two=2)
    for name in "abcd":
        four.write(name, 7)
    await four.all_seen()
    await first.stop()
    assert first.shards == 0
    for name in "abcd":
        four.write(name, 2)
    await four.vanish("one")
    await four.owned(two=4)
    await four.all_seen()
    assert len(four.seen()) == len(four.written)  # nothing twice: from the checkpoints of the one that left
    assert second.shards == 4


async def test_what_a_killed_worker_read_is_read_on(four: World) -> None:
    first, second = await four.reader("one"), await four.reader("two", LISTS_ONCE)
    await four.owned(one=2, two=2)
    for name in "abcd":
        four.write(name, 4)
    await four.all_seen()
    four.feed.away = {"checkpoint", "release"}
    await first.stop()
    four.feed.away = set()
    four.readers.remove(first)
    for name in "abcd":
        four.write(name, 4)
    await four.vanish("one")
    await four.owned(two=4)
    await until(lambda: set(first.seen + second.seen) == set(four.written))


async def test_after_a_split_the_children_follow_their_parent(world: World) -> None:
    world.feed.shard("p")
    reader = await world.reader("one", LISTS_ONCE)
    await world.owned(one=1)
    world.write("p", 10)
    world.feed.split("p", "left", "right")
    world.write("left", 5)
    world.write("right", 5)
    await world.all_seen()
    assert reader.seen[:10] == world.written[:10]
    await until(lambda: reader.shards == 2)
    assert world.feed.held["p"].is_done


async def test_a_parent_that_is_listed_as_open_is_read_to_its_end(world: World) -> None:
    world.feed.shard("p")
    await world.reader("one")
    await world.owned(one=1)
    world.write("p", 4)
    world.feed.split("p", "child", is_listed_open=True)
    world.write("child", 4)
    await world.all_seen()
    assert world.feed.held["p"].is_done


async def test_two_of_the_same_name_read_alike(world: World) -> None:
    world.feed.shard("a")
    first, second = await world.reader("one"), await world.reader("one")
    await until(lambda: first.shards == second.shards == 1)
    world.write("a", 9)
    await until(lambda: set(first.seen) | set(second.seen) == set(world.written))


async def test_a_new_session_begins_anew(four: World) -> None:
    reader = await four.reader("one")
    await four.owned(one=4)
    for name in "abcd":
        four.write(name)
    await four.all_seen()
    reader.session = "two"
    await four.vanish("one")
    for name in "abcd":
        four.write(name, 3)
    await four.join("two")
    await four.owned(two=4)
    await four.all_seen()


async def test_a_worker_that_is_not_in_the_registry_takes_nothing(four: World) -> None:
    reader = await four.reader("one")
    await four.vanish("one")
    await until(lambda: four.feeds.opened > 0)
    reader.session = "two"
    await four.join("two")
    await four.owned(two=4)


async def test_a_feed_that_is_made_anew_is_followed(world: World) -> None:
    world.feed.shard("a")
    reader = await world.reader("one", LISTS_ONCE)
    await until(lambda: reader.sweeps == 1)
    other = FakeFeed("feed-2")
    other.shard("a")
    world.no_feed_until(other)
    await world.owned(one=1)
    await until(lambda: reader.sweeps == 2)
    world.write("a", 3)
    await world.all_seen()


async def test_a_feed_that_was_closed_is_read_to_its_end_and_then_left(world: World) -> None:
    world.feed.shard("a")
    await world.reader("one", LISTS_ONCE)
    await world.owned(one=1)
    world.write("a", 5)
    world.feed.close("a")
    await world.all_seen()
    await until(lambda: world.feeds.opened > 2)
    other = world.feeds.feed = FakeFeed("feed-2")
    other.shard("b")
    world.feed = other
    await world.owned(one=1)


async def test_a_feed_that_is_not_there_yet_is_waited_for(world: World) -> None:
    world.feed.is_missing = True
    await world.reader("one")
    await until(lambda: world.feeds.opened > 3)
    world.feed.shard("a")
    world.feed.is_missing = False
    await world.owned(one=1)


async def test_a_store_that_is_away_for_a_while_stops_nothing(world: World) -> None:
    world.feeds.is_away = True
    world.feed.shard("a")
    await world.reader("one")
    await until(lambda: world.feeds.opened > 1)
    world.feeds.is_away = False
    await world.owned(one=1)
    world.feed.away = {"all"}
    lists = world.feed.calls["shards"]
    await until(lambda: world.feed.calls["shards"] > lists + 1)
    world.write("a", 3)
    world.feed.away = set()
    await world.all_seen()


async def test_a_fault_of_ours_is_not_hidden(world: World) -> None:
    world.feed.shard("a")
    reader = await world.reader("one")
    await world.owned(one=1)
    reader.fault = ZeroDivisionError("a fault of ours")
    world.write("a")
    await until(reader.task.done)
    assert isinstance(reader.task.exception(), ZeroDivisionError)
