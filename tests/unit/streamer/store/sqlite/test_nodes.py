import asyncio

from streamer.store.base import NodeRow
from streamer.store.sqlite import SqliteStore


async def test_each_beat_counts_and_says_the_newest(store: SqliteStore) -> None:
    beats = [await store.nodes.beat("app", "n1", {"connections": n}) for n in range(3)]
    await store.nodes.beat("worker", "w1", {})
    assert beats == [1, 2, 3]
    assert await store.nodes.list("app") == [NodeRow("app", "n1", 3, {"connections": 2})]


async def test_no_beat_is_lost_among_many(store: SqliteStore) -> None:
    beats = await asyncio.gather(*(store.nodes.beat("app", "n1", {}) for _ in range(100)))
    assert sorted(beats) == list(range(1, 101))


async def test_a_row_is_removed_unless_it_beat_again(store: SqliteStore) -> None:
    await store.nodes.beat("app", "n1", {})
    await store.nodes.beat("app", "n1", {})
    await store.nodes.remove("app", "n1", beat=1)
    assert [row.beat for row in await store.nodes.list("app")] == [2]
    await store.nodes.remove("app", "n1", beat=2)
    assert await store.nodes.list("app") == []
    await store.nodes.beat("app", "n1", {})
    await store.nodes.remove("app", "n1")
    await store.nodes.remove("app", "n1")
    assert await store.nodes.list("app") == []
