"""`NodeRegistry` on `streamer_nodes`."""

import builtins
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import orjson

from streamer.store.base import NodeRow
from streamer.store.dynamodb import items, keys, reads
from streamer.store.dynamodb.client import Client
from streamer.store.dynamodb.errors import ConditionFailed
from streamer.store.dynamodb.expressions import Placeholders
from streamer.store.dynamodb.requests import Request

_BEAT: Final = "beat"
_INFO: Final = "info"


class DynamoDBNodes:
    """See `streamer.store.base.NodeRegistry`. Beats go their own way: one that is late is worth nothing, and must
    not wait behind other calls."""

    def __init__(self, client: Client, beats: Client, tables: keys.TableNames) -> None:
        self._client = client
        self._beats = beats
        self._table = tables.nodes

    async def beat(self, kind: str, node_id: str, info: Mapping[str, Any]) -> int:
        answer = await self._beats.call("beat", "update_item", _beat(self._table, kind, node_id, info))
        return int(answer["Attributes"][_BEAT]["N"])

    async def list(self, kind: str) -> builtins.list[NodeRow]:
        found = await reads.query_all(self._client, "list_nodes", _list(self._table, kind))
        return [_row(item) for item in found]

    async def remove(self, kind: str, node_id: str, *, beat: int | None = None) -> None:
        with suppress(ConditionFailed):  # it lives: the counter went on
            await self._client.call("remove_node", "delete_item", _remove(self._table, kind, node_id, beat))


def _key(kind: str, node_id: str) -> items.Item:
    return {keys.KIND: items.text(kind), keys.NODE_ID: items.text(node_id)}


def _row(item: items.Item) -> NodeRow:
    info = orjson.loads(item[_INFO]["B"])
    return NodeRow(item[keys.KIND]["S"], item[keys.NODE_ID]["S"], int(item[_BEAT]["N"]), info)


def _beat(table: str, kind: str, node_id: str, info: Mapping[str, Any]) -> Request:
    bind = Placeholders()
    told = f"SET {bind.name(_INFO)} = {bind.value('info', items.json(info))}"
    counted = f"ADD {bind.name(_BEAT)} {bind.value('one', items.number(1))}"
    return {
        "TableName": table,
        "Key": _key(kind, node_id),
        "UpdateExpression": f"{told} {counted}",
        "ReturnValues": "UPDATED_NEW",
        **bind.bound(),
    }


def _list(table: str, kind: str) -> Request:
    bind = Placeholders()
    wanted = f"{bind.name(keys.KIND)} = {bind.value('kind', items.text(kind))}"
    return {"TableName": table, "KeyConditionExpression": wanted, "ConsistentRead": True, **bind.bound()}


def _remove(table: str, kind: str, node_id: str, beat: int | None) -> Request:
    request: Request = {"TableName": table, "Key": _key(kind, node_id)}
    if beat is None:
        return request
    bind = Placeholders()
    still = f"{bind.name(_BEAT)} = {bind.value('beat', items.number(beat))}"
    return {**request, "ConditionExpression": still, **bind.bound()}
