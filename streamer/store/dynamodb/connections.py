"""`ConnectionStore` on `streamer_connections`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Final

from streamer.store.base import Connection, StaleBinding
from streamer.store.dynamodb import items, keys, reads
from streamer.store.dynamodb.client import Client
from streamer.store.dynamodb.errors import ConditionFailed
from streamer.store.dynamodb.expressions import Placeholders
from streamer.store.dynamodb.requests import Request
from streamer.store.fan_out import each

LIFETIME_MS: Final = 86_400_000
"""Of a row after its last ping."""


class DynamoDBConnections:
    """See `streamer.store.base.ConnectionStore`."""

    def __init__(self, client: Client, tables: keys.TableNames, *, clock: Callable[[], int]) -> None:
        self._client = client
        self._table = tables.connections
        self._clock = clock

    async def save(self, connection: Connection) -> None:
        with suppress(ConditionFailed):  # another node, or a later binding, has it
            request = _save(self._table, connection, self._clock())
            await self._client.call("save_connection", "put_item", request)

    async def rebind(self, connection: Connection) -> Connection | None:
        now = self._clock()
        try:
            answer = await self._client.call("rebind_connection", "put_item", _rebind(self._table, connection, now))
        except ConditionFailed:
            raise StaleBinding from None  # whose row it is stays untold
        before = answer.get("Attributes")
        return items.decode_connection(before) if before and not items.expired(before, now) else None

    async def get(self, connection_id: str) -> Connection | None:
        return (await self.get_many([connection_id])).get(connection_id)

    async def get_many(self, connection_ids: Collection[str]) -> Mapping[str, Connection]:
        wanted = [_key(connection_id) for connection_id in dict.fromkeys(connection_ids)]
        found = await reads.get_all(self._client, "get_connections", self._table, wanted)
        now = self._clock()
        rows = [items.decode_connection(item) for item in found if not items.expired(item, now)]
        return {row.connection_id: row for row in rows}

    async def delete(self, bindings: Mapping[str, int], node_id: str) -> None:
        await each(self._delete, [_delete(self._table, *binding, node_id) for binding in bindings.items()])

    async def _delete(self, request: Request) -> None:
        with suppress(ConditionFailed):  # gone, or bound elsewhere or later
            await self._client.call("delete_connection", "delete_item", request)

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
        found = await each(lambda query: reads.query_all(self._client, "list_connections", query), queries)
        rows = await self.get_many([item[keys.CONNECTION_ID]["S"] for shard in found for item in shard])
        return sorted(rows.values(), key=lambda row: (row.connected_ms, row.connection_id))


def _key(connection_id: str) -> items.Item:
    return {keys.CONNECTION_ID: items.text(connection_id)}


def _save(table: str, connection: Connection, now_ms: int) -> Request:
    bind = Placeholders()
    mine = _mine(bind, connection.node_id, connection.reconnects)
    return _put(table, connection, f"{_free(bind, now_ms)} OR {mine}", bind)


def _rebind(table: str, connection: Connection, now_ms: int) -> Request:
    bind = Placeholders()
    bound = _mine(bind, connection.node_id, connection.reconnects)
    if connection.reconnects:
        bound = f"({bound} OR {_reconnects(bind, '<', connection.reconnects)})"
    principal = f"{_is(bind, 'tenant', connection.tenant)} AND {_is(bind, 'user', connection.user)}"
    request = _put(table, connection, f"{_free(bind, now_ms)} OR {principal} AND {bound}", bind)
    return {**request, "ReturnValues": "ALL_OLD"}


def _put(table: str, connection: Connection, condition: str, bind: Placeholders) -> Request:
    item = items.encode_connection(connection, connection.last_ping_ms + LIFETIME_MS)
    return {"TableName": table, "Item": item, "ConditionExpression": condition, **bind.bound()}


def _delete(table: str, connection_id: str, reconnects: int, node_id: str) -> Request:
    bind = Placeholders()
    condition = _mine(bind, node_id, reconnects)
    return {"TableName": table, "Key": _key(connection_id), "ConditionExpression": condition, **bind.bound()}


def _ping(table: str, connection_id: str, node_id: str, now_ms: int) -> Request:
    bind = Placeholders()
    last_ping = f"{bind.name(keys.CONNECTION['last_ping_ms'])} = {bind.value('now', items.number(now_ms))}"
    expires = f"{bind.name(keys.EXPIRES)} = {bind.value('expires', items.seconds(now_ms + LIFETIME_MS))}"
    return {
        "TableName": table,
        "Key": _key(connection_id),
        "UpdateExpression": f"SET {last_ping}, {expires}",
        "ConditionExpression": _is(bind, "node_id", node_id),
        **bind.bound(),
    }


def _mine(bind: Placeholders, node_id: str, reconnects: int) -> str:
    return f"{_is(bind, 'node_id', node_id)} AND {_reconnects(bind, '<=', reconnects)}"


def _reconnects(bind: Placeholders, operator: str, reconnects: int) -> str:
    attribute = bind.name(keys.CONNECTION["reconnects"])  # left out where it is 0
    value = bind.value("reconnects", items.number(reconnects))
    return f"(attribute_not_exists({attribute}) OR {attribute} {operator} {value})"


def _free(bind: Placeholders, now_ms: int) -> str:
    """There is no row, or one that DynamoDB has not deleted yet."""
    expires = f"{bind.name(keys.EXPIRES)} <= {bind.value('now', items.number(now_ms // 1000))}"
    return f"attribute_not_exists({bind.name(keys.CONNECTION_ID)}) OR {expires}"


def _is(bind: Placeholders, field: str, content: str) -> str:
    return f"{bind.name(keys.CONNECTION[field])} = {bind.value(field, items.text(content))}"


def _listed(table: str, index: str, attribute: str, key: str) -> Request:
    bind = Placeholders()
    wanted = f"{bind.name(attribute)} = {bind.value('key', items.text(key))}"
    return {"TableName": table, "IndexName": index, "KeyConditionExpression": wanted, **bind.bound()}
