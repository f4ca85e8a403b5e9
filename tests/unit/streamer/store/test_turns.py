"""Places that several processes give out."""

import pytest

from streamer.errors import StoreUnavailable
from streamer.jobs.model import Priority
from streamer.store.turns import QUEUE, StoredTurns
from tests.support.jobs import NOON_MS, Clock
from tests.unit.streamer.cluster.nodes import Nodes


class World:
    """A registry that any number of processes share."""

    def __init__(self) -> None:
        self.nodes = Nodes()
        self.clock = Clock()

    def process(self) -> StoredTurns:
        return StoredTurns(self.nodes, clock=self.clock)

    def saved(self) -> dict[str, object]:
        return {row.node_id: row.info for row in self.nodes.rows.values() if row.kind == QUEUE}


@pytest.fixture
def world() -> World:
    return World()


async def place(turns: StoredTurns, tenant: str = "a", queue: str = "q") -> int:
    return await turns.next(queue, tenant, Priority.NORMAL)


async def test_a_queue_begins_at_the_clock(world: World) -> None:
    """Which is after every place that an older Streamer gave out."""
    assert await place(world.process()) == NOON_MS


async def test_a_node_that_comes_later_does_not_begin_later(world: World) -> None:
    """Nobody has started a job yet, so no worker can tell them of each other."""
    await place(world.process())
    world.clock.advance(60_000)
    assert await place(world.process(), "b") == NOON_MS


async def test_after_all_workers_and_nodes_were_gone_time_goes_on(world: World) -> None:
    before = world.process()
    for _ in range(10):
        await place(before)
    before.served("q", NOON_MS + 4)
    await before.save()
    world.clock.advance(1_000_000)
    after = world.process()
    assert [await place(after, "b"), await place(after)] == [NOON_MS + 4, NOON_MS + 4]


async def test_what_one_worker_tells_does_not_hide_what_was_saved(world: World) -> None:
    """A worker that has just begun knows only of an old job that it was given."""
    former = world.process()
    former.served("q", 500)
    await former.save()
    beginner, node = world.process(), world.process()
    beginner.served("q", 3)
    node.learn(beginner.told())
    assert await place(node) == 500


async def test_a_beginning_that_cannot_be_saved_fails_no_submit(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object) -> int:
        raise StoreUnavailable

    monkeypatch.setattr(world.nodes, "beat", refuse)
    assert await place(world.process()) == NOON_MS


async def test_workers_tell_how_far_they_are(world: World) -> None:
    node, worker = world.process(), world.process()
    await place(node)
    worker.served("q", NOON_MS + 50)
    worker.served("q", NOON_MS + 40)
    node.learn({"free": 3, **worker.told()})
    node.learn({"free": 3})
    assert await place(node) == NOON_MS + 50


async def test_each_queue_has_its_own_time(world: World) -> None:
    turns = world.process()
    turns.served("q", 7)
    turns.served("gpu", 9)
    assert await place(turns, queue="gpu") == 9
    assert await place(turns) == 7


async def test_only_a_queue_that_moved_is_saved(world: World) -> None:
    turns = world.process()
    turns.served("q", 7)
    turns.served("gpu", 9)
    await turns.save()
    turns.served("gpu", 11)
    await turns.save()
    assert world.saved() == {"q": {"turn": 7}, "gpu": {"turn": 11}}
    assert {row.node_id: row.beat for row in world.nodes.rows.values()} == {"q": 1, "gpu": 2}


async def test_nobody_gets_a_place_before_the_registry_was_read(world: World) -> None:
    turns = world.process()
    world.nodes.is_away = True
    with pytest.raises(StoreUnavailable):
        await place(turns)
    world.nodes.is_away = False
    await world.nodes.beat(QUEUE, "q", {"turn": 12})
    assert await place(turns) == 12
