"""`SideItems` on `streamer_events`: chunks and inbox entries, in the order of their names."""

from collections.abc import Callable, Sequence
from typing import Final

from streamer.store.dynamodb import items, keys, requests
from streamer.store.dynamodb.client import Client
from streamer.store.dynamodb.expressions import Placeholders
from streamer.store.dynamodb.requests import Request

ENOUGH_BYTES: Final = 262_144
"""A query answers with at most 1 MB (service quotas). Whoever got so much is not made to wait for another page."""


class DynamoDBSideItems:
    """See `streamer.store.engine.SideItems`."""

    def __init__(self, client: Client, tables: keys.TableNames, *, clock: Callable[[], int]) -> None:
        self._client = client
        self._table = tables.events
        self._clock = clock

    async def put(self, partition: str, sort: str, body: bytes, expires_ms: int) -> None:
        request = requests.put_part(self._table, partition, sort, body, expires_ms)
        await self._client.call("put_event", "put_item", request)

    async def between(self, partition: str, low: str, high: str, *, limit: int) -> Sequence[tuple[str, bytes]]:
        now = self._clock()
        request = _between(self._table, partition, low, high)
        found: list[tuple[str, bytes]] = []
        page: Request = {**request, "Limit": limit}
        while True:
            answer = await self._client.call("read_events", "query", page)
            found += [_named(item) for item in answer["Items"] if not items.expired(item, now)]
            enough = len(found) >= limit or sum(len(body) for _, body in found) >= ENOUGH_BYTES
            if enough or "LastEvaluatedKey" not in answer:
                return found[:limit]
            page = {**request, "ExclusiveStartKey": answer["LastEvaluatedKey"]}
            if found:  # without a limit, what has expired and is not deleted yet goes by a megabyte at a time
                page["Limit"] = limit

    async def delete(self, partition: str, sort: str) -> None:
        request = {"TableName": self._table, "Key": requests.part_key(partition, sort)}
        await self._client.call("delete_event", "delete_item", request)


def _between(table: str, partition: str, low: str, high: str) -> Request:
    bind = Placeholders()
    wanted = f"{bind.name(keys.REQUEST_ID)} = {bind.value('partition', items.text(partition))}"
    lowest, highest = bind.value("low", items.text(low)), bind.value("high", items.text(high))
    return {
        "TableName": table,
        "KeyConditionExpression": f"{wanted} AND {bind.name(keys.SORT_KEY)} BETWEEN {lowest} AND {highest}",
        "ConsistentRead": True,
        **bind.bound(),
    }


def _named(item: items.Item) -> tuple[str, bytes]:
    return item[keys.SORT_KEY]["S"], item["b"]["B"]
