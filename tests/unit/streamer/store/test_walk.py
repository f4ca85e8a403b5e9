from collections import Counter
from collections.abc import Sequence
from typing import cast

from streamer.jobs import dispatch
from streamer.jobs.dispatch import Kind
from streamer.store.admin import AdminRows, Place
from streamer.store.walk import PAGE, Walk


class Shards:
    """Entries in memory, all that a walk needs of `AdminRows`; it counts how often each partition was read."""

    def __init__(self, places: dict[int, Sequence[Place]]) -> None:
        self._places = {dispatch.partition(Kind.DEAD, "q", shard): found for shard, found in places.items()}
        self.reads: Counter[str] = Counter()

    async def page(self, partition: str, *, limit: int, after: Place | None = None) -> Sequence[Place]:
        self.reads[partition] += 1
        return [place for place in self._places.get(partition, ()) if after is None or place > after][:limit]


def walk_over(shards: Shards, cursor: str | None = None) -> Walk:
    return Walk(cast("AdminRows", shards), Kind.DEAD, "q", cursor)


async def given(walk: Walk, count: int) -> list[str]:
    steps = [await walk.next() for _ in range(count)]
    return [step[0] for step in steps if step is not None]


async def test_shards_are_merged_by_their_sort_keys() -> None:
    shards = Shards({0: [Place("1", "a"), Place("4", "d")], 5: [Place("2", "b"), Place("3", "c")]})
    assert await given(walk_over(shards), 9) == ["a", "b", "c", "d"]


async def test_a_cursor_goes_on_in_every_shard_where_the_walk_was() -> None:
    shards = Shards({0: [Place("1", "a"), Place("1", "b")], 5: [Place("1", "c"), Place("3", "d")]})
    walk = walk_over(shards)
    first = await given(walk, 2)
    assert sorted(first + await given(walk_over(shards, walk.cursor), 9)) == ["a", "b", "c", "d"]


async def test_a_shard_is_read_again_only_where_there_may_be_more() -> None:
    places = [Place(f"{number:04}", str(number)) for number in range(PAGE + 1)]
    shards = Shards({0: places, 1: places[:1]})
    assert len(await given(walk_over(shards), 2 * PAGE)) == PAGE + 2
    assert shards.reads[dispatch.partition(Kind.DEAD, "q", 0)] == 2
    assert shards.reads[dispatch.partition(Kind.DEAD, "q", 1)] == 1
