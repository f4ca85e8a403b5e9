"""ConnectionStore: who is connected, and to which node."""

from dataclasses import replace

from streamer.jobs import ids
from streamer.store.base import Connection
from tests.support.jobs import DAY_MS
from tests.support.store import Scene


def connection(scene: Scene, **fields: object) -> Connection:
    made = Connection(
        connection_id=ids.connection_id(ids.boot_id()),
        node_id="node-a",
        tenant=scene.tenant,
        user=scene.user,
        connected_ms=scene.clock(),
        last_ping_ms=scene.clock(),
    )
    return replace(made, **fields)  # type: ignore[arg-type]  # any field of Connection


async def test_a_saved_connection_is_there(scene: Scene) -> None:
    row = connection(scene, reconnects=3, source_ip="::1", user_agent="Mozilla/5.0 (✓)")
    await scene.store.connections.save(row)
    assert await scene.store.connections.get(row.connection_id) == row


async def test_saving_again_replaces(scene: Scene) -> None:
    row = connection(scene, user_agent="old")
    moved = replace(row, node_id="node-b", reconnects=1, user_agent="")
    await scene.store.connections.save(row)
    await scene.store.connections.save(moved)
    assert await scene.store.connections.get(row.connection_id) == moved


async def test_an_unknown_connection_is_none(scene: Scene) -> None:
    assert await scene.store.connections.get("never") is None
    assert await scene.store.connections.get_many(["never", "ever"]) == {}
    assert await scene.store.connections.get_many([]) == {}


async def test_many_are_read_at_once(scene: Scene) -> None:
    rows = [connection(scene) for _ in range(5)]
    for row in rows:
        await scene.store.connections.save(row)
    asked = [*(row.connection_id for row in rows), *(f"never{number}" for number in range(120))]
    assert await scene.store.connections.get_many(asked) == {row.connection_id: row for row in rows}


async def test_a_node_deletes_only_its_own(scene: Scene) -> None:
    mine, moved = connection(scene), connection(scene, node_id="node-b")
    for row in (mine, moved):
        await scene.store.connections.save(row)
    await scene.store.connections.delete([mine.connection_id, moved.connection_id, "never"], "node-a")
    assert await scene.store.connections.get(mine.connection_id) is None
    assert await scene.store.connections.get(moved.connection_id) == moved


async def test_many_are_deleted_at_once(scene: Scene) -> None:
    rows = [connection(scene) for _ in range(30)]
    for row in rows:
        await scene.store.connections.save(row)
    names = [row.connection_id for row in rows]
    await scene.store.connections.delete(names, "node-a")
    await scene.store.connections.delete([], "node-a")
    assert await scene.store.connections.get_many(names) == {}


async def test_a_ping_is_noted(scene: Scene) -> None:
    row = connection(scene)
    await scene.store.connections.save(row)
    now = scene.clock.advance(5_000)
    await scene.store.connections.update_last_ping(row.connection_id, "node-a", now)
    assert await scene.store.connections.get(row.connection_id) == replace(row, last_ping_ms=now)


async def test_a_ping_makes_and_moves_nothing(scene: Scene) -> None:
    moved = connection(scene, node_id="node-b")
    await scene.store.connections.save(moved)
    for name in (moved.connection_id, "never"):
        await scene.store.connections.update_last_ping(name, "node-a", scene.clock() + 9)
    assert await scene.store.connections.get(moved.connection_id) == moved
    assert await scene.store.connections.get("never") is None


async def test_a_connection_lives_a_day_after_its_last_ping(scene: Scene) -> None:
    row = connection(scene)
    await scene.store.connections.save(row)
    now = scene.clock.advance(DAY_MS - 1_000)
    await scene.store.connections.update_last_ping(row.connection_id, "node-a", now)
    scene.clock.advance(DAY_MS - 1_000)
    assert await scene.store.connections.get(row.connection_id) is not None
    scene.clock.advance(2_000)
    assert await scene.store.connections.get(row.connection_id) is None
    assert await scene.store.connections.get_many([row.connection_id]) == {}
    assert await scene.store.connections.list_by_user(scene.tenant, scene.user) == []
    assert await scene.store.connections.list_by_tenant(scene.tenant) == []


async def test_lists_stay_within_user_and_tenant(scene: Scene) -> None:
    mine = [connection(scene) for _ in range(12)]
    colleague = connection(scene, user="eve")
    stranger = connection(scene, tenant=f"{scene.tenant}2")
    for row in (*mine, colleague, stranger):
        await scene.store.connections.save(row)
    by_user = await scene.store.connections.list_by_user(scene.tenant, scene.user)
    by_tenant = await scene.store.connections.list_by_tenant(scene.tenant)
    assert {row.connection_id for row in by_user} == {row.connection_id for row in mine}
    assert {row.connection_id for row in by_tenant} == {row.connection_id for row in (*mine, colleague)}
    assert all(row in mine for row in by_user)


async def test_users_with_a_separator_in_their_names_do_not_meet(scene: Scene) -> None:
    left = connection(scene, tenant=f"{scene.tenant}#a", user="b")
    right = connection(scene, tenant=scene.tenant, user="a#b")
    for row in (left, right):
        await scene.store.connections.save(row)
    assert await scene.store.connections.list_by_user(f"{scene.tenant}#a", "b") == [left]
    assert await scene.store.connections.list_by_user(scene.tenant, "a#b") == [right]
    assert await scene.store.connections.list_by_tenant(scene.tenant) == [right]
