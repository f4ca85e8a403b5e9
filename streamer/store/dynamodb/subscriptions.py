"""`SubscriptionStore` on `streamer_subscriptions`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from streamer.store.base import Subscription
from streamer.store.dynamodb import items, keys, reads
from streamer.store.dynamodb.client import Client
from streamer.store.dynamodb.expressions import Placeholders
from streamer.store.dynamodb.requests import Request
from streamer.store.fan_out import each

_CODECS: Final[Mapping[str, items.Codec]] = {
    **dict.fromkeys(keys.SUBSCRIPTION, items.TEXT),
    "expires_ms": items.SECONDS,
}


class DynamoDBSubscriptions:
    """See `streamer.store.base.SubscriptionStore`."""

    def __init__(self, client: Client, tables: keys.TableNames, *, clock: Callable[[], int]) -> None:
        self._client = client
        self._table = tables.subscriptions
        self._clock = clock

    async def subscribe(self, subscription: Subscription) -> None:
        request = {"TableName": self._table, "Item": _encode(subscription)}
        await self._client.call("subscribe", "put_item", request)

    async def unsubscribe(self, job_id: str, connection_ids: Collection[str]) -> None:
        requests = [_delete(self._table, job_id, connection_id) for connection_id in dict.fromkeys(connection_ids)]
        await each(lambda request: self._client.call("unsubscribe", "delete_item", request), requests)

    async def list_by_request(self, job_id: str) -> Sequence[Subscription]:
        now = self._clock()
        found = await reads.query_all(self._client, "list_subscriptions", _list(self._table, job_id))
        return [_decode(item) for item in found if not items.expired(item, now)]


def _encode(subscription: Subscription) -> items.Item:
    encoded = {
        attribute: _CODECS[name].encode(getattr(subscription, name)) for name, attribute in keys.SUBSCRIPTION.items()
    }
    return {attribute: content for attribute, content in encoded.items() if content is not None}


def _decode(item: items.Item) -> Subscription:
    return Subscription(
        **{name: _CODECS[name].decode(item[attribute]) for name, attribute in keys.SUBSCRIPTION.items()}
    )


def _delete(table: str, job_id: str, connection_id: str) -> Request:
    key = {keys.REQUEST_ID: items.text(job_id), keys.CONNECTION_ID: items.text(connection_id)}
    return {"TableName": table, "Key": key}


def _list(table: str, job_id: str) -> Request:
    bind = Placeholders()
    wanted = f"{bind.name(keys.REQUEST_ID)} = {bind.value('job', items.text(job_id))}"
    return {"TableName": table, "KeyConditionExpression": wanted, "ConsistentRead": True, **bind.bound()}
