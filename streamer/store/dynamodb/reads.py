"""Reads that take more than one call: many keys, and pages of a query."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from streamer.errors import StoreUnavailable
from streamer.store.dynamodb.client import Answer, Client
from streamer.store.dynamodb.items import Item
from streamer.store.dynamodb.requests import Request
from streamer.store.fan_out import each

BATCH: Final = 100
"""Keys of one BatchGetItem (service quotas)."""
_TRIES: Final = 8
_BASE_S: Final = 0.05


async def get_all(client: Client, verb: str, table: str, keys: Sequence[Item]) -> list[Item]:
    """Strong reads of different keys, in no order; missing ones left out. Raises StoreUnavailable."""
    if len(keys) <= BATCH:  # the usual case needs no tasks
        return await _get_batch(client, verb, table, keys) if keys else []
    batches = [keys[start : start + BATCH] for start in range(0, len(keys), BATCH)]
    found = await each(lambda batch: _get_batch(client, verb, table, batch), batches)
    return [item for items in found for item in items]


async def _get_batch(client: Client, verb: str, table: str, keys: Sequence[Item]) -> list[Item]:
    found: list[Item] = []
    wanted: Any = {table: {"Keys": keys, "ConsistentRead": True}}
    for number in range(_TRIES):
        answer = await client.call(verb, "batch_get_item", {"RequestItems": wanted})
        found += answer["Responses"].get(table, [])
        wanted = answer.get("UnprocessedKeys")
        if not wanted:
            return found
        await asyncio.sleep(_BASE_S * 2**number * random.random())  # noqa: S311  spreads load, guards nothing
    raise StoreUnavailable


async def query_all(client: Client, verb: str, request: Request, *, limit: int | None = None) -> list[Item]:
    """The first `limit` items of a query, or all."""
    found: list[Item] = []
    async for answer in _pages(client, verb, request, limit):
        found += answer["Items"]
    return found


async def count_all(client: Client, verb: str, request: Request, *, limit: int) -> int:
    """How many items a query has, counted up to `limit`."""
    return sum([answer["Count"] async for answer in _pages(client, verb, {**request, "Select": "COUNT"}, limit)])


async def _pages(client: Client, verb: str, request: Request, limit: int | None) -> AsyncIterator[Answer]:
    page = request
    while limit is None or limit > 0:
        answer = await client.call(verb, "query", page if limit is None else {**page, "Limit": limit})
        yield answer
        if "LastEvaluatedKey" not in answer:
            return
        page = {**request, "ExclusiveStartKey": answer["LastEvaluatedKey"]}
        limit = None if limit is None else limit - answer["Count"]
