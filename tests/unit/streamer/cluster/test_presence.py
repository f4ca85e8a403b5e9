"""Who is connected: rows of living nodes."""

from collections.abc import Sequence

import pytest

from streamer.cluster.presence import FRESH_S, Presence
from streamer.cluster.registry import APP, Peers
from streamer.errors import StoreUnavailable
from streamer.store.base import NodeRow
from tests.unit.streamer.cluster.connections import Connections
from tests.unit.streamer.cluster.nodes import Nodes
from tests.unit.streamer.cluster.stopwatch import Stopwatch


class CountedNodes(Nodes):
    """Counts how often it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    async def list(self, kind: str) -> Sequence[NodeRow]:
        self.reads += 1
        return await super().list(kind)


class Scene:
    """Node n1 lives."""

    def __init__(self) -> None:
        self.registry = CountedNodes()
        self.registry.rows["n1"] = NodeRow(APP, "n1", 1, {"endpoint": "http://n1"})
        self.connections = Connections()
        self.watch = Stopwatch()
        self.presence = Presence(
            self.connections,  # type: ignore[arg-type]  # what presence needs of it
            Peers(self.registry, APP),
            clock=self.watch,
        )


async def test_rows_of_a_node_that_died_are_left_out_and_left_alone() -> None:
    scene = Scene()
    here, left_behind = scene.connections.put("n1"), scene.connections.put("n2")
    assert await scene.presence.of_user("acme", "ann") == [here]
    assert await scene.presence.of_tenant("acme") == [here]
    assert await scene.presence.find(here.connection_id) == here
    assert await scene.presence.find(left_behind.connection_id) is None
    assert left_behind.connection_id in scene.connections.rows


async def test_only_of_this_user_or_tenant() -> None:
    scene = Scene()
    ann, bob = scene.connections.put("n1"), scene.connections.put("n1", user="bob")
    scene.connections.put("n1", tenant="umbrella")
    assert await scene.presence.of_user("acme", "bob") == [bob]
    assert await scene.presence.of_tenant("acme") == [ann, bob]
    assert await scene.presence.of_tenant("nobody") == []


async def test_a_connection_without_a_row_is_not_there() -> None:
    assert await Scene().presence.find("never") is None


async def test_the_registry_is_read_once_in_a_while() -> None:
    scene = Scene()
    row = scene.connections.put("n2")
    for _ in range(3):
        assert await scene.presence.of_user("acme", "ann") == []
    scene.registry.rows["n2"] = NodeRow(APP, "n2", 1, {})
    scene.watch.now += FRESH_S - 0.1
    assert await scene.presence.of_user("acme", "ann") == []
    assert scene.registry.reads == 1
    scene.watch.now += 0.1
    assert await scene.presence.of_user("acme", "ann") == [row]
    del scene.registry.rows["n2"]
    scene.watch.now += FRESH_S
    assert await scene.presence.of_user("acme", "ann") == []
    assert scene.registry.reads == 3


async def test_a_read_that_failed_is_tried_again_by_the_next_who_asks() -> None:
    scene = Scene()
    row = scene.connections.put("n1")
    scene.registry.is_away = True
    with pytest.raises(StoreUnavailable):
        await scene.presence.of_user("acme", "ann")
    scene.registry.is_away = False
    assert await scene.presence.of_user("acme", "ann") == [row]
