"""A back end that pushes to clients of real nodes."""

from pathlib import Path

import pytest

from streamer.cluster.calls import Gone
from streamer.cluster.registry import APP
from streamer.push import pushing
from tests.integration.app.house import House, house, settings, token
from tests.support.until import until


async def registered(*nodes: House) -> None:
    """Back ends find these nodes by now."""
    wanted = {node.node.node_id for node in nodes}

    async def are_known() -> bool:
        return wanted <= {row.node_id for row in await nodes[0].store.nodes.list(APP)}

    await until(are_known)


async def test_clients_of_two_nodes_get_what_is_pushed(tmp_path: Path) -> None:
    async with house(tmp_path) as left, house(tmp_path) as right, pushing(settings(tmp_path)) as push:
        clients = [await node.client(v1=True) for node in (left, right)]
        stranger = await right.client(token(tenant="t2"), v1=True)

        async def all_have_rows() -> bool:
            rows = [
                *await left.store.connections.list_by_tenant("t1"),
                *await left.store.connections.list_by_tenant("t2"),
            ]
            return len(rows) == 3

        await until(all_have_rows)
        await registered(left, right)
        for client in clients:
            await push.send(client.seen[0]["connection_id"], {"type": "notice", "to": "you"})
            assert await client.next() == {"type": "notice", "to": "you"}
        assert (await push.broadcast({"type": "notice", "to": "all"}, tenant="t1")).sent == 2
        assert [await client.next() for client in clients] == [{"type": "notice", "to": "all"}] * 2
        await push.send(stranger.seen[0]["connection_id"], {"type": "notice", "to": "you"})
        assert await stranger.next() == {"type": "notice", "to": "you"}


async def test_a_client_that_left_is_gone(tmp_path: Path) -> None:
    async with house(tmp_path) as node, pushing(settings(tmp_path)) as push:
        await registered(node)
        client = await node.client(v1=True)
        await push.send(client.seen[0]["connection_id"], {"type": "notice"})
        await client.socket.close()
        await until(lambda: not len(node.node.hub))
        with pytest.raises(Gone):
            await push.send(client.seen[0]["connection_id"], {"type": "notice"})
