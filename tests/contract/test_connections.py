"""ConnectionStore: who is connected, and to which node."""

import asyncio
import itertools
from dataclasses import replace

import pytest

from streamer.jobs import ids
from streamer.store.base import Connection, StaleBinding
from tests.support.jobs import DAY_MS
from tests.support.store import Engine, Scene


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
    again = replace(row, reconnects=1, user_agent="")
    await scene.store.connections.save(row)
    await scene.store.connections.save(again)
    assert await scene.store.connections.get(row.connection_id) == again


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
    bindings = dict.fromkeys([mine.connection_id, moved.connection_id, "never"], 0)
    await scene.store.connections.delete(bindings, "node-a")
    assert await scene.store.connections.get(mine.connection_id) is None
    assert await scene.store.connections.get(moved.connection_id) == moved


async def test_many_are_deleted_at_once(scene: Scene) -> None:
    rows = [connection(scene) for _ in range(30)]
    for row in rows:
        await scene.store.connections.save(row)
    bindings = {row.connection_id: row.reconnects for row in rows}
    await scene.store.connections.delete(bindings, "node-a")
    await scene.store.connections.delete({}, "node-a")
    assert await scene.store.connections.get_many(bindings) == {}


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


# --- re-binding -------------------------------------------------------------------------------------------------


def elsewhere(row: Connection, **fields: object) -> Connection:
    """Its next binding, on another node."""
    return replace(row, **{"node_id": "node-b", "reconnects": row.reconnects + 1, **fields})  # type: ignore[arg-type]  # any field of Connection


async def test_a_connection_moves_to_the_node_of_its_next_socket(scene: Scene) -> None:
    first = connection(scene)
    second = elsewhere(first, source_ip="::1")
    third = elsewhere(second, node_id="node-a", user_agent="new")
    await scene.store.connections.save(first)
    assert await scene.store.connections.rebind(second) == first
    assert await scene.store.connections.rebind(third) == second
    assert await scene.store.connections.get(first.connection_id) == third
    assert await scene.store.connections.list_by_user(scene.tenant, scene.user) == [third]


@pytest.mark.parametrize("reconnects", [0, 7])
async def test_a_connection_without_a_row_gets_one(scene: Scene, reconnects: int) -> None:
    row = connection(scene, reconnects=reconnects)
    assert await scene.store.connections.rebind(row) is None
    assert await scene.store.connections.get(row.connection_id) == row


@pytest.mark.parametrize("reconnects", [0, 1, 2])
async def test_a_stale_binding_is_refused(scene: Scene, reconnects: int) -> None:
    row = connection(scene, reconnects=2)
    await scene.store.connections.save(row)
    with pytest.raises(StaleBinding):
        await scene.store.connections.rebind(replace(row, node_id="node-b", reconnects=reconnects))
    assert await scene.store.connections.get(row.connection_id) == row


async def test_the_first_binding_yields_to_none_without_a_reconnect(scene: Scene) -> None:
    row = connection(scene)
    await scene.store.connections.save(row)
    with pytest.raises(StaleBinding):
        await scene.store.connections.rebind(replace(row, node_id="node-b"))
    assert await scene.store.connections.get(row.connection_id) == row


async def test_an_older_binding_on_the_same_node_is_refused(scene: Scene) -> None:
    row = connection(scene, reconnects=2)
    await scene.store.connections.save(row)
    with pytest.raises(StaleBinding):
        await scene.store.connections.rebind(replace(row, reconnects=1))
    assert await scene.store.connections.get(row.connection_id) == row


@pytest.mark.parametrize("thief", [{"user": "eve"}, {"tenant": "umbrella"}, {"tenant": "umbrella", "user": "eve"}])
@pytest.mark.parametrize("place", [{}, {"node_id": "node-b"}])
@pytest.mark.parametrize("reconnects", [0, 1, 99])
async def test_nobody_else_gets_it(scene: Scene, thief: dict[str, str], place: dict[str, str], reconnects: int) -> None:
    """Whatever they know of it: its id, its node, its number. And they learn nothing from the refusal."""
    row = connection(scene, reconnects=1, source_ip="10.0.0.7")
    await scene.store.connections.save(row)
    stolen = replace(row, **thief, **place, reconnects=reconnects)  # type: ignore[arg-type]  # texts only, in both
    with pytest.raises(StaleBinding) as refusal:
        await scene.store.connections.rebind(stolen)
    assert (str(refusal.value), vars(refusal.value), refusal.value.__cause__) == ("", {}, None)
    assert await scene.store.connections.get(row.connection_id) == row
    assert await scene.store.connections.list_by_user(stolen.tenant, stolen.user) == []


@pytest.mark.parametrize("reconnects", [0, 3])
async def test_a_lost_answer_is_asked_for_again(scene: Scene, reconnects: int) -> None:
    row = connection(scene, reconnects=reconnects)
    await scene.store.connections.rebind(row)
    assert await scene.store.connections.rebind(row) == row
    assert await scene.store.connections.get(row.connection_id) == row


async def test_a_row_whose_day_is_over_stands_in_nobodys_way(scene: Scene) -> None:
    row = connection(scene, reconnects=9)
    await scene.store.connections.save(row)
    now = scene.clock.advance(DAY_MS)
    fresh = replace(row, node_id="node-b", user="eve", reconnects=1, connected_ms=now, last_ping_ms=now)
    assert await scene.store.connections.rebind(fresh) is None
    assert await scene.store.connections.get(row.connection_id) == fresh
    later = scene.clock.advance(DAY_MS)
    newest = replace(row, reconnects=0, connected_ms=later, last_ping_ms=later)
    await scene.store.connections.save(newest)
    assert await scene.store.connections.get(row.connection_id) == newest


async def test_a_node_that_stood_still_steals_nothing(scene: Scene) -> None:
    """It wakes up and does what it was about to do, while its client has been elsewhere for long."""
    row = connection(scene)
    await scene.store.connections.save(row)
    moved = elsewhere(row)
    await scene.store.connections.rebind(moved)
    await scene.store.connections.save(row)
    await scene.store.connections.save(replace(row, reconnects=5))
    await scene.store.connections.update_last_ping(row.connection_id, "node-a", scene.clock() + 5_000)
    await scene.store.connections.delete({row.connection_id: 5}, "node-a")
    with pytest.raises(StaleBinding):
        await scene.store.connections.rebind(row)
    assert await scene.store.connections.get(row.connection_id) == moved


async def test_the_end_of_an_older_socket_does_not_remove_the_newer_binding_on_the_same_node(scene: Scene) -> None:
    row = connection(scene)
    again = elsewhere(row, node_id="node-a")
    await scene.store.connections.save(row)
    await scene.store.connections.rebind(again)
    await scene.store.connections.delete({row.connection_id: 0}, "node-a")
    await scene.store.connections.save(row)
    assert await scene.store.connections.get(row.connection_id) == again
    await scene.store.connections.delete({row.connection_id: 1}, "node-a")
    assert await scene.store.connections.get(row.connection_id) is None


async def test_of_many_sockets_at_once_the_last_reconnect_has_it(scene: Scene, engine: Engine) -> None:
    """Each that got it was told whom it took it from: from the last back to the first binding there is one chain."""
    row = connection(scene)
    await scene.store.connections.save(row)
    sockets = [elsewhere(row, node_id=f"node-{number}", reconnects=number) for number in range(1, 21)]
    async with engine.open(clock=scene.clock) as other:
        stores = itertools.cycle([scene.store, other])
        asked = sockets[1::2] + sockets[::2]
        calls = [store.connections.rebind(each) for store, each in zip(stores, asked, strict=False)]
        answers = await asyncio.gather(*calls, return_exceptions=True)

    assert await scene.store.connections.get(row.connection_id) == sockets[-1]
    assert {type(answer) for answer in answers} <= {Connection, StaleBinding}
    told = {
        each.reconnects: answer.reconnects
        for each, answer in zip(asked, answers, strict=True)
        if isinstance(answer, Connection)
    }
    assert sorted(told.values()) == [0, *sorted(told)[:-1]]
