from dataclasses import replace
from pathlib import Path

import pytest

from streamer.store.base import Connection, StaleBinding
from streamer.store.sqlite import SqliteStore
from streamer.store.sqlite.purge import CONNECTION_LIFE_MS
from tests.support.jobs import NOON_MS, Clock

CONNECTION = Connection(
    connection_id="boot.1",
    node_id="node-a",
    tenant="acme",
    user="ann",
    connected_ms=NOON_MS,
    last_ping_ms=NOON_MS,
    reconnects=2,
    source_ip="127.0.0.1",
    user_agent="test",
)


async def test_a_connection_comes_back_as_it_was_saved(store: SqliteStore) -> None:
    await store.connections.save(CONNECTION)
    assert await store.connections.get("boot.1") == CONNECTION
    again = replace(CONNECTION, reconnects=3, user_agent="")
    await store.connections.save(again)
    assert await store.connections.get_many(["boot.1", "boot.2"]) == {"boot.1": again}
    assert await store.connections.get("boot.2") is None


async def test_only_the_node_that_has_it_changes_or_removes_it(store: SqliteStore) -> None:
    await store.connections.save(CONNECTION)
    await store.connections.update_last_ping("boot.1", "node-b", NOON_MS + 5)
    await store.connections.delete({"boot.1": 9}, "node-b")
    await store.connections.delete({"boot.1": 1}, "node-a")
    assert await store.connections.get("boot.1") == CONNECTION
    await store.connections.update_last_ping("boot.1", "node-a", NOON_MS + 5)
    assert await store.connections.get("boot.1") == replace(CONNECTION, last_ping_ms=NOON_MS + 5)
    await store.connections.delete({"boot.1": 2, "boot.2": 0}, "node-a")
    assert await store.connections.get("boot.1") is None


async def test_a_rebind_takes_every_field_of_the_row(store: SqliteStore) -> None:
    await store.connections.save(CONNECTION)
    moved = Connection(
        connection_id="boot.1",
        node_id="node-b",
        tenant="acme",
        user="ann",
        connected_ms=NOON_MS + 7,
        last_ping_ms=NOON_MS + 8,
        reconnects=3,
        source_ip="::1",
        user_agent="new",
    )
    assert await store.connections.rebind(moved) == CONNECTION
    assert await store.connections.get("boot.1") == moved


async def test_a_refused_rebind_is_no_error_of_the_store(path: Path) -> None:
    seen: list[tuple[str, BaseException | None]] = []
    store = SqliteStore(path, clock=Clock(), observer=lambda verb, _, error: seen.append((verb, error)))
    await store.connections.save(CONNECTION)
    with pytest.raises(StaleBinding):
        await store.connections.rebind(replace(CONNECTION, node_id="node-b"))
    await store.close()
    assert seen == [("save_connection", None), ("rebind_connection", None)]


async def test_lists_are_of_this_tenant_and_user(store: SqliteStore) -> None:
    bob = replace(CONNECTION, connection_id="boot.2", user="bob", connected_ms=NOON_MS + 1)
    other = replace(CONNECTION, connection_id="boot.3", tenant="umbrella")
    for connection in (bob, other, CONNECTION):
        await store.connections.save(connection)
    assert await store.connections.list_by_user("acme", "ann") == [CONNECTION]
    assert await store.connections.list_by_tenant("acme") == [CONNECTION, bob]


async def test_a_day_after_its_last_ping_it_is_gone_whether_or_not_it_was_deleted(
    store: SqliteStore, clock: Clock
) -> None:
    await store.connections.save(CONNECTION)
    clock.advance(CONNECTION_LIFE_MS - 1)
    assert await store.connections.get("boot.1") == CONNECTION
    clock.advance(1)
    assert await store.connections.get("boot.1") is None
    assert await store.connections.list_by_user("acme", "ann") == []
