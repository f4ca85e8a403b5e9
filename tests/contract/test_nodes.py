"""NodeRegistry: which processes live, told by counters."""

import asyncio

from streamer.jobs import ids
from streamer.store.base import NodeRow
from tests.support.store import Engine, Scene


async def test_a_beat_counts_and_replaces_the_account(scene: Scene) -> None:
    kind = f"app-{ids.nonce()}"
    assert await scene.store.nodes.beat(kind, "n1", {"endpoint": "http://127.0.0.1:1", "draining": False}) == 1
    assert await scene.store.nodes.beat(kind, "n1", {"draining": True, "free": [1, None, 2.5], "name": "✓"}) == 2
    assert await scene.store.nodes.list(kind) == [
        NodeRow(kind, "n1", 2, {"draining": True, "free": [1, None, 2.5], "name": "✓"})
    ]


async def test_a_list_is_of_its_kind_and_as_of_now(engine: Engine, scene: Scene) -> None:
    kind = f"worker-{ids.nonce()}"
    for number in range(30):
        await scene.store.nodes.beat(kind, f"n{number}", {})
    await scene.store.nodes.beat(f"{kind}2", "other", {})
    async with engine.open() as another:
        assert {row.node_id for row in await another.nodes.list(kind)} == {f"n{number}" for number in range(30)}
        assert await another.nodes.list(f"{kind}3") == []


async def test_beats_at_once_are_all_counted(scene: Scene) -> None:
    kind = f"app-{ids.nonce()}"
    beats = await asyncio.gather(*(scene.store.nodes.beat(kind, "n1", {}) for _ in range(10)))
    assert sorted(beats) == list(range(1, 11))


async def test_a_removed_row_is_gone(scene: Scene) -> None:
    kind = f"app-{ids.nonce()}"
    await scene.store.nodes.beat(kind, "n1", {})
    await scene.store.nodes.beat(kind, "n2", {})
    await scene.store.nodes.remove(kind, "n1")
    await scene.store.nodes.remove(kind, "n1")
    assert [row.node_id for row in await scene.store.nodes.list(kind)] == ["n2"]


async def test_only_what_stopped_beating_is_removed(scene: Scene) -> None:
    kind = f"app-{ids.nonce()}"
    seen = await scene.store.nodes.beat(kind, "n1", {})
    await scene.store.nodes.beat(kind, "n1", {})
    await scene.store.nodes.remove(kind, "n1", beat=seen)
    await scene.store.nodes.remove(kind, "never", beat=1)
    assert [row.beat for row in await scene.store.nodes.list(kind)] == [2]
    await scene.store.nodes.remove(kind, "n1", beat=2)
    assert await scene.store.nodes.list(kind) == []
