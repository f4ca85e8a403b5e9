"""Who reads which shard of a feed, on `streamer_leases`."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from streamer.store.dynamodb import items, keys, reads
from streamer.store.dynamodb.client import Client
from streamer.store.dynamodb.errors import ConditionFailed
from streamer.store.dynamodb.expressions import Placeholders
from streamer.store.dynamodb.requests import Request
from streamer.store.feed import Lease, LeaseLost

LIFETIME_MS: Final = 7 * 86_400_000
"""Of a row after its last write: so the leases of a feed that is gone vanish. Records are kept for a day."""

_CODECS: Final[Mapping[str, items.Codec]] = {
    "owner": items.TEXT,
    "counter": items.NUMBER,
    "position": items.TEXT,
    "is_done": items.FLAG,
}


class DynamoDBLeases:
    """The leases of one feed; see `streamer.store.feed.Feed`.

    All of them are one partition, the feed's, so that one strong query lists them. Each verb is one conditional write
    of one unit; only a checkpoint that finds its own former one, whose answer was lost, writes once more.
    """

    def __init__(self, client: Client, table: str, feed_id: str, *, clock: Callable[[], int]) -> None:
        self._client = client
        self._table = table
        self._feed_id = feed_id
        self._clock = clock

    async def list(self) -> Sequence[Lease]:
        found = await reads.query_all(self._client, "list_leases", _list(self._table, self._feed_id))
        return [_decode(item) for item in found]

    async def create(self, shard_id: str, position: str) -> None:
        lease = Lease(shard_id, owner=None, counter=0, position=position)
        with suppress(ConditionFailed):  # there is one
            await self._client.call(
                "create_lease", "put_item", _create(self._table, self._feed_id, lease, self._expires)
            )

    async def take(self, lease: Lease, owner: str) -> Lease:
        taken = replace(lease, owner=owner, counter=lease.counter + 1)
        if await self._change("take_lease", lease, taken) != taken:
            raise LeaseLost
        return taken

    async def checkpoint(self, lease: Lease, position: str, *, is_done: bool = False) -> Lease:
        moved = replace(lease, counter=lease.counter + 1, position=position, is_done=is_done)
        present = await self._change("checkpoint_lease", lease, moved)
        if present is not None and present != moved and _by_the_same(present, moved):
            moved = replace(moved, counter=present.counter + 1)  # a former checkpoint, whose answer was lost
            present = await self._change("checkpoint_lease", present, moved)
        if present != moved:
            raise LeaseLost
        return moved

    async def release(self, lease: Lease) -> None:
        await self._change("release_lease", lease, replace(lease, owner=None, counter=lease.counter + 1))

    async def delete(self, lease: Lease) -> None:
        with suppress(ConditionFailed):  # gone, or changed
            await self._client.call("delete_lease", "delete_item", _delete(self._table, self._feed_id, lease))

    async def _change(self, verb: str, before: Lease, after: Lease) -> Lease | None:
        """The lease as it stands then: `after`, or what somebody else made of it; None: it is gone."""
        request = _update(self._table, self._feed_id, before, after, self._expires)
        try:
            await self._client.call(verb, "update_item", request)
        except ConditionFailed as failed:
            return _decode(failed.item) if failed.item else None
        return after

    @property
    def _expires(self) -> items.Value:
        return items.seconds(self._clock() + LIFETIME_MS)


def _by_the_same(present: Lease, moved: Lease) -> bool:
    return (present.owner, present.counter) == (moved.owner, moved.counter)


def _key(feed_id: str, shard_id: str) -> items.Item:
    return {keys.LEASE_KEY: items.text(feed_id), keys.SHARD_ID: items.text(shard_id)}


def _encode(lease: Lease) -> Mapping[str, items.Value | None]:
    """Attributes without the key; None where one is left out."""
    content = {name: getattr(lease, name) for name in _CODECS}
    return {keys.LEASE[name]: None if value is None else _CODECS[name].encode(value) for name, value in content.items()}


def _decode(item: items.Item) -> Lease:
    known = {name: codec.decode(item[keys.LEASE[name]]) for name, codec in _CODECS.items() if keys.LEASE[name] in item}
    return Lease(item[keys.SHARD_ID]["S"], **{"owner": None, **known})


def _list(table: str, feed_id: str) -> Request:
    bind = Placeholders()
    wanted = f"{bind.name(keys.LEASE_KEY)} = {bind.value('feed', items.text(feed_id))}"
    return {"TableName": table, "KeyConditionExpression": wanted, "ConsistentRead": True, **bind.bound()}


def _create(table: str, feed_id: str, lease: Lease, expires: items.Value) -> Request:
    bind = Placeholders()
    absent = f"attribute_not_exists({bind.name(keys.LEASE_KEY)})"
    present = {attribute: value for attribute, value in _encode(lease).items() if value is not None}
    item = {**_key(feed_id, lease.shard_id), **present, keys.EXPIRES: expires}
    return {"TableName": table, "Item": item, "ConditionExpression": absent, **bind.bound()}


def _update(table: str, feed_id: str, before: Lease, after: Lease, expires: items.Value) -> Request:
    bind = Placeholders()
    new = {**_encode(after), keys.EXPIRES: expires}
    sets = [f"{bind.name(name)} = {bind.value(name, value)}" for name, value in new.items() if value is not None]
    removes = [bind.name(name) for name, value in new.items() if value is None]
    changes = {"SET": sets, "REMOVE": removes}
    return {
        "TableName": table,
        "Key": _key(feed_id, before.shard_id),
        "UpdateExpression": " ".join(f"{clause} {', '.join(parts)}" for clause, parts in changes.items() if parts),
        "ConditionExpression": _unchanged(bind, before),
        **bind.bound(),
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
    }


def _delete(table: str, feed_id: str, lease: Lease) -> Request:
    bind = Placeholders()
    key = _key(feed_id, lease.shard_id)
    return {"TableName": table, "Key": key, "ConditionExpression": _unchanged(bind, lease), **bind.bound()}


def _unchanged(bind: Placeholders, lease: Lease) -> str:
    return f"{bind.name(keys.LEASE['counter'])} = {bind.value('counter', items.number(lease.counter))}"
