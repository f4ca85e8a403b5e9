"""Rows of connections in memory, for tests of those who look for them."""

from collections.abc import Sequence
from dataclasses import replace

from streamer.jobs import ids
from streamer.store.base import Connection


class Connections:
    """What a `ConnectionStore` is asked by who looks for connections."""

    def __init__(self) -> None:
        self.rows: dict[str, Connection] = {}

    def put(self, node_id: str, *, tenant: str = "acme", user: str = "ann") -> Connection:
        name = ids.connection_id(ids.boot_id())
        row = Connection(connection_id=name, node_id=node_id, tenant=tenant, user=user, connected_ms=0, last_ping_ms=0)
        self.rows[name] = row
        return row

    def move(self, connection: Connection, node_id: str) -> None:
        self.rows[connection.connection_id] = replace(connection, node_id=node_id, reconnects=1)

    async def get(self, connection_id: str) -> Connection | None:
        return self.rows.get(connection_id)

    async def list_by_user(self, tenant: str, user: str) -> Sequence[Connection]:
        return [row for row in self.rows.values() if (row.tenant, row.user) == (tenant, user)]

    async def list_by_tenant(self, tenant: str) -> Sequence[Connection]:
        return [row for row in self.rows.values() if row.tenant == tenant]
