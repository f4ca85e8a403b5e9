"""`ConnectionStore` on `streamer_connections`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

from streamer.store.base import Connection
from streamer.store.dynamodb import items, keys, reads
from streamer.store.dynamodb.client import Client
from streamer.store.dynamodb.errors import ConditionFailed
from streamer.store.dynamodb.expressions import Placeholders
from streamer.store.dynamodb.requests import Request

LIFETIME_MS: Final = 86_400_000
"""Of a row after its last ping."""


class DynamoDBConnections:
    """See `streamer.store.base.ConnectionStore`."""

    def __init__(self, client: Client, tables: keys.TableNames, *, clock: Callable[[], int]) -> None:
        self._client = client
        self._table = tables.connections
        self._clock = clock

    async def save(self, connection: Connection) -> None:
        await self._client.call("save_connection", "put_item", _save(self._table, connection))

    async def get(self, connection_id: str) -> Connection | None:
        return (await self.get_many([connection_id])).get(connection_id)

    async def get_many(self, connection_ids: Collection[str]) -> Mapping[str, Connection]:
        wanted = [_key(connection_id) for connection_id in dict.fromkeys(connection_ids)]
        found = await reads.get_all(self._client, "get_connections", self._table, wanted)
        now = self._clock()
        rows = [items.decode_connection(item) for item in found if not items.expired(item, now)]
        return {row.connection_id: row for row in rows}

    async def delete(self, connection_ids: Collection[str], node_id: str) -> None:
        await reads.each(lambda connection_id: self._delete(connection_id, node_id), dict.fromkeys(connection_ids))

    async def _delete(self, connection_id: str, node_id: str) -> None:
        with suppress(ConditionFailed):  # gone, or another node's by now
            await self._client.call("delete_connection", "delete_item", _delete(self._table, connection_id, node_id))

    async def update_last_ping(self, connection_id: str, node_id: str, now_ms: int) -> None:
        with suppress(ConditionFailed):
            request = _ping(self._table, connection_id, node_id, now_ms)
            await self._client.call("update_last_ping", "update_item", request)

    async def list_by_user(self, tenant: str, user: str) -> Sequence[Connection]:
        key = keys.user_key(tenant, user)
        found = await self._listed([_listed(self._table, keys.USER_INDEX, keys.USER_KEY, key)])
        return [row for row in found if (row.tenant, row.user) == (tenant, user)]

    async def list_by_tenant(self, tenant: str) -> Sequence[Connection]:
        shards = keys.tenant_keys(tenant)
        found = await self._listed(
            [_listed(self._table, keys.TENANT_INDEX, keys.TENANT_KEY, shard) for shard in shards]
        )
        return [row for row in found if row.tenant == tenant]

    async def _listed(self, queries: Sequence[Request]) -> list[Connection]:
        found = await reads.each(lambda query: reads.query_all(self._client, "list_connections", query), queries)
        rows = await self.get_many([item[keys.CONNECTION_ID]["S"] for shard in found for item in shard])
        return sorted(rows.values(), key=lambda row: (row.connected_ms, row.connection_id))


def _key(connection_id: str) -> items.Item:
    return {keys.CONNECTION_ID: items.text(connection_id)}


def _save(table: str, connection: Connection) -> Request:
    return {"TableName": table, "Item": items.encode_connection(connection, connection.last_ping_ms + LIFETIME_MS)}


def _delete(table: str, connection_id: str, node_id: str) -> Request:
    bind = Placeholders()
    condition = _on_node(bind, node_id)
    return {"TableName": table, "Key": _key(connection_id), "ConditionExpression": condition, **bind.bound()}


def _ping(table: str, connection_id: str, node_id: str, now_ms: int) -> Request:
    bind = Placeholders()
    last_ping = f"{bind.name(keys.CONNECTION['last_ping_ms'])} = {bind.value('now', items.number(now_ms))}"
    expires = f"{bind.name(keys.EXPIRES)} = {bind.value('expires', items.seconds(now_ms + LIFETIME_MS))}"
    return {
        "TableName": table,
        "Key": _key(connection_id),
        "UpdateExpression": f"SET {last_ping}, {expires}",
        "ConditionExpression": _on_node(bind, node_id),
        **bind.bound(),
    }


def _on_node(bind: Placeholders, node_id: str) -> str:
    return f"{bind.name(keys.CONNECTION['node_id'])} = {bind.value('node', items.text(node_id))}"


def _listed(table: str, index: str, attribute: str, key: str) -> Request:
    bind = Placeholders()
    wanted = f"{bind.name(attribute)} = {bind.value('key', items.text(key))}"
    return {"TableName": table, "IndexName": index, "KeyConditionExpression": wanted, **bind.bound()}
