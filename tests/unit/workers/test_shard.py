"""Reading one shard."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest

from streamer.store.feed import BEGINNING, LATEST, Change, Lease
from tests.support import jobs
from tests.support.fake_feed import FakeFeed
from tests.support.until import until
from workers import shard as shard_module
from workers.shard import Pace, ShardReader

ROW = jobs.row()


class World:
    """A feed of one shard, and a reader of it; `seconds` is the reader's clock."""

    def __init__(self) -> None:
        self.feed = FakeFeed()
        self.feed.shard("s")
        self.seconds = 0.0
        self.seen: list[str] = []
        self.sweeps = 0
        self.sweep_succeeds = True
        self.running: dict[ShardReader, asyncio.Task[None]] = {}

    async def start(self, position: str = BEGINNING, owner: str = "me") -> ShardReader:
        await self.feed.create_lease("s", position)
        return self.read_on(await self.feed.take(self.feed.held["s"], owner))

    def read_on(self, lease: Lease) -> ShardReader:
        reader = ShardReader(
            self.feed,
            lease,
            handle=self.handle,
            sweep=self.sweep,
            pace=Pace(busy_s=0.001, idle_s=0.003),
            clock=lambda: self.seconds,
        )
        self.running[reader] = asyncio.create_task(reader.run())
        return reader

    async def handle(self, changes: Sequence[Change]) -> None:
        self.seen += [change.after.job_id for change in changes if change.after]

    async def sweep(self) -> bool:
        self.sweeps += 1
        self.feed.log.append("sweep")
        return self.sweep_succeeds

    def write(self, *names: str) -> str:
        return [self.feed.write("s", replace(ROW, job_id=name)) for name in names][-1]

    async def has_seen(self, *names: str) -> None:
        await until(lambda: self.seen == list(names))

    async def reads(self, more: int = 3) -> None:
        """The reader has read so often again."""
        wanted = self.feed.calls["read"] + more
        await until(lambda: self.feed.calls["read"] >= wanted)

    async def end(self, reader: ShardReader) -> None:
        self.running[reader].cancel()
        await asyncio.wait([self.running.pop(reader)])

    def has_ended(self, reader: ShardReader) -> bool:
        return self.running[reader].done() and self.running[reader].exception() is None


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for reader in list(world.running):
        await world.end(reader)


async def test_changes_come_in_order_and_to_the_end(world: World) -> None:
    world.write("a", "b", "c", "d")
    reader = await world.start()
    await world.has_seen("a", "b", "c", "d")
    newest = world.write("e")
    world.feed.close("s")
    await until(lambda: world.has_ended(reader))
    assert world.seen[-1] == "e"
    assert world.feed.held["s"].is_done
    assert world.feed.held["s"].position == newest
    assert world.sweeps == 0


async def test_pages_without_changes_are_read_past(world: World) -> None:
    await world.start()
    await world.reads()
    world.write("a")
    await world.has_seen("a")


async def test_from_now_on_means_the_cursor_first_and_then_a_sweep(world: World) -> None:
    world.write("before")
    await world.start(LATEST)
    await world.reads(1)
    assert world.feed.log[:5] == ["create_lease s", "take s", "cursor s", "sweep", "read s"]
    world.write("after")
    await world.has_seen("after")


async def test_a_sweep_that_was_skipped_is_made_up_for(world: World) -> None:
    world.sweep_succeeds = False
    await world.start(LATEST)
    await until(lambda: world.sweeps > 1)
    world.sweep_succeeds = True
    await world.reads()
    swept = world.sweeps
    await world.reads()
    assert world.sweeps == swept


async def test_the_first_change_from_now_on_is_noted_at_once_the_others_now_and_then(world: World) -> None:
    await world.start(LATEST)
    await world.reads(1)
    world.write("a")
    await until(lambda: world.feed.calls["checkpoint"] == 1)
    for name in ("b", "c", "d"):
        newest = world.write(name)
        await world.reads()
    assert world.feed.calls["checkpoint"] == 1
    world.seconds = 5.0
    await until(lambda: world.feed.calls["checkpoint"] == 2)
    assert world.feed.held["s"].position == newest
    world.seconds = 10.0
    await world.reads()
    assert world.feed.calls["checkpoint"] == 2


async def test_what_is_ended_is_given_back_where_it_stood(world: World) -> None:
    reader = await world.start()
    newest = world.write("a", "b")
    await world.has_seen("a", "b")
    await until(lambda: world.feed.calls["read"] > 1)
    await world.end(reader)
    assert world.feed.held["s"].position == newest
    assert world.feed.held["s"].owner is None


async def test_what_nothing_came_of_is_given_back_as_it_was(world: World) -> None:
    reader = await world.start()
    await world.reads(1)
    await world.end(reader)
    assert world.feed.calls["checkpoint"] == 0
    assert world.feed.held["s"].owner is None


async def test_without_a_store_it_ends_all_the_same(world: World) -> None:
    reader = await world.start()
    await world.reads(1)
    world.feed.away = {"all"}
    await world.end(reader)
    assert world.feed.held["s"].owner == "me"


async def test_a_store_that_does_not_answer_holds_up_the_end_for_so_long(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shard_module, "GIVE_BACK_S", 0.0)
    reader = await world.start()
    await world.reads(1)

    class Hanging(FakeFeed):
        async def release(self, _lease: Lease) -> None:
            await asyncio.Event().wait()

    world.feed.__class__ = Hanging
    await world.end(reader)
    assert world.feed.held["s"].owner == "me"


async def test_a_lease_that_another_has_taken_is_let_go(world: World) -> None:
    reader = await world.start()
    await world.feed.take(world.feed.held["s"], "other")
    world.write("a")
    world.seconds = 5.0
    await until(lambda: world.has_ended(reader))
    assert world.feed.held["s"].owner == "other"


async def test_two_readers_of_a_shard_do_no_harm(world: World) -> None:
    first = await world.start()
    await world.reads(1)
    second = world.read_on(await world.feed.take(world.feed.held["s"], "other"))
    world.write("a")
    await until(lambda: sorted(world.seen) == ["a", "a"])
    world.feed.close("s")
    await until(lambda: world.has_ended(first) and world.has_ended(second))
    assert world.feed.held["s"].is_done


async def test_a_cursor_that_expired_is_made_anew_where_it_stood(world: World) -> None:
    world.write("a")
    await world.start()
    await world.has_seen("a")
    world.feed.expire()
    world.write("b")
    await world.has_seen("a", "b")
    assert world.sweeps == 0


async def test_a_cursor_that_expired_before_there_was_a_change_begins_with_a_sweep_again(world: World) -> None:
    await world.start(LATEST)
    await world.reads(1)
    world.feed.expire()
    await until(lambda: world.sweeps == 2)


async def test_after_what_is_no_longer_kept_a_sweep_and_the_oldest_that_is(world: World) -> None:
    world.write("a")
    await world.start()
    await world.has_seen("a")
    world.feed.away = {"read"}
    world.write("missed")
    world.feed.trim("s")
    world.write("b")
    world.feed.away = set()
    await world.has_seen("a", "b")
    assert world.sweeps == 1
    cursor = len(world.feed.log) - 1 - world.feed.log[::-1].index("cursor s")
    assert world.feed.log[cursor + 1] == "sweep"


async def test_a_shard_that_is_not_there_any_more_is_left(world: World) -> None:
    reader = await world.start()
    world.feed.unlist("s")
    await until(lambda: world.has_ended(reader))
    assert not world.feed.held["s"].is_done


async def test_a_store_that_is_away_for_a_while_costs_nothing(world: World) -> None:
    world.write("a")
    await world.start()
    await world.has_seen("a")
    world.feed.away = {"all"}
    tries = world.feed.calls["read"]
    await until(lambda: world.feed.calls["read"] > tries)
    world.write("b")
    world.feed.away = set()
    await world.has_seen("a", "b")


async def test_an_end_that_could_not_be_noted_is_noted_later(world: World) -> None:
    world.write("a")
    world.feed.close("s")
    world.feed.away = {"checkpoint"}
    reader = await world.start()
    await until(lambda: world.feed.calls["checkpoint"] > 0)
    reads = world.feed.calls["read"]
    world.feed.away = set()
    await until(lambda: world.has_ended(reader))
    assert world.feed.held["s"].is_done
    assert (world.seen, world.feed.calls["read"]) == (["a"], reads)
