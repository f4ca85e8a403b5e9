"""The tables as they are declared, and how what is missing of them is made."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from streamer.errors import StoreUnavailable
from streamer.store.dynamodb import keys
from streamer.store.dynamodb.client import Client
from streamer.store.dynamodb.errors import Busy, InvalidRequest, Missing
from streamer.store.dynamodb.requests import Request

Description = Mapping[str, Any]
"""What DescribeTable says under `Table`."""
Key = Mapping[str, str]
"""Attribute -> its type ("S", "N"); the partition key first, then the sort key."""

VIEW: Final = "NEW_AND_OLD_IMAGES"
"""What a stream shows of every change: which changes matter is told by the row before and after."""
_FIRST_PAUSE_S: Final = 0.1
_LONGEST_PAUSE_S: Final = 5.0
_LOOKS: Final = 200
"""About a quarter of an hour: an index on a table that is in use is filled from all its rows."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table; its indexes hold keys only, so that a write of anything else does not touch them."""

    name: str
    key: Key
    indexes: Mapping[str, Key]
    stream: bool = False
    expires: bool = True


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do towards a table as declared; None as operation: wait, and look again."""

    operation: str | None
    request: Request


WAIT: Final = Step(None, {})


def declared(names: keys.TableNames) -> list[Table]:
    return [
        Table(
            names.requests,
            {keys.REQUEST_ID: "S"},
            {
                keys.DISPATCH_INDEX: {keys.DISPATCH_PK: "S", keys.DISPATCH_SK: "S"},
                keys.USER_INDEX: {keys.USER_KEY: "S", keys.CREATED_AT: "N"},
            },
            stream=True,
        ),
        Table(
            names.connections,
            {keys.CONNECTION_ID: "S"},
            {keys.USER_INDEX: {keys.USER_KEY: "S"}, keys.TENANT_INDEX: {keys.TENANT_KEY: "S"}},
        ),
        Table(names.subscriptions, {keys.REQUEST_ID: "S", keys.CONNECTION_ID: "S"}, {}),
        Table(names.events, {keys.REQUEST_ID: "S", keys.SORT_KEY: "S"}, {}),
        Table(names.nodes, {keys.KIND: "S", keys.NODE_ID: "S"}, {}, expires=False),
        Table(names.leases, {keys.LEASE_KEY: "S", keys.SHARD_ID: "S"}, {}),
    ]


# --- requests -----------------------------------------------------------------------------------------------


def create_table(table: Table) -> Request:
    used = [table.key, *table.indexes.values()]
    request: Request = {
        "TableName": table.name,
        "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": _key_schema(table.key),
        "AttributeDefinitions": _definitions(*used),
    }
    if table.indexes:
        request["GlobalSecondaryIndexes"] = [_index(name, key) for name, key in table.indexes.items()]
    if table.stream:
        request |= _STREAM
    return request


_STREAM: Final = {"StreamSpecification": {"StreamEnabled": True, "StreamViewType": VIEW}}


def create_index(table: Table, index: str) -> Request:
    return {
        "TableName": table.name,
        "AttributeDefinitions": _definitions(table.key, table.indexes[index]),
        "GlobalSecondaryIndexUpdates": [{"Create": _index(index, table.indexes[index])}],
    }


def expire_rows(table: Table) -> Request:
    return {
        "TableName": table.name,
        "TimeToLiveSpecification": {"Enabled": True, "AttributeName": keys.EXPIRES},
    }


def _index(name: str, key: Key) -> dict[str, Any]:
    return {"IndexName": name, "KeySchema": _key_schema(key), "Projection": {"ProjectionType": "KEYS_ONLY"}}


def _key_schema(key: Key) -> list[dict[str, str]]:
    kinds = ("HASH", "RANGE")
    return [{"AttributeName": name, "KeyType": kind} for name, kind in zip(key, kinds, strict=False)]


def _definitions(*used: Key) -> list[dict[str, str]]:
    types = {name: kind for key in used for name, kind in key.items()}
    return [{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()]


# --- decisions ----------------------------------------------------------------------------------------------


def next_step(table: Table, present: Description | None, time_to_live: str | None) -> Step | None:
    """What to do next; None: all is there. DynamoDB makes one index of a table at a time."""
    if present is None:
        return Step("create_table", create_table(table))
    indexes = _index_statuses(present)
    if present["TableStatus"] != "ACTIVE" or any(status != "ACTIVE" for status in indexes.values()):
        return WAIT
    for name in table.indexes:
        if name not in indexes:
            return Step("update_table", create_index(table, name))
    if table.stream and not present.get("StreamSpecification", {}).get("StreamEnabled"):
        return Step("update_table", {"TableName": table.name, **_STREAM})
    if table.expires and time_to_live not in ("ENABLED", "ENABLING"):
        return Step("update_time_to_live", expire_rows(table))
    return None


def complaint(table: Table, present: Description | None) -> str | None:
    """Why this table cannot be used yet, in a sentence; None: it can."""
    if present is None:
        return f"Table {table.name} is missing: run `streamer tables create`."
    indexes = _index_statuses(present)
    missing = [name for name in table.indexes if name not in indexes]
    if missing:
        return f"Table {table.name} lacks the index {missing[0]}: run `streamer tables create`."
    if present["TableStatus"] not in ("ACTIVE", "UPDATING"):
        return f"Table {table.name} is not ready yet: it is {present['TableStatus']}."
    for name in table.indexes:
        if indexes[name] not in ("ACTIVE", "UPDATING"):
            return f"Index {name} of table {table.name} is not ready yet: it is {indexes[name]}."
    return None


def _index_statuses(present: Description) -> dict[str, str]:
    return {index["IndexName"]: index["IndexStatus"] for index in present.get("GlobalSecondaryIndexes", [])}


# --- calls --------------------------------------------------------------------------------------------------


async def check(client: Client, names: keys.TableNames) -> None:
    """Raises StoreUnavailable in one sentence for the first table that cannot be used."""
    for table in declared(names):
        try:
            found = complaint(table, await describe(client, table))
        except StoreUnavailable as error:
            cause = error.__cause__ or error
            raise StoreUnavailable(f"DynamoDB did not answer about table {table.name}: {cause}") from error
        if found is not None:
            raise StoreUnavailable(found)


async def create(
    client: Client, names: keys.TableNames, *, pause: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> None:
    """Makes tables, indexes, stream and time to live that are missing, and waits until they can be used.

    Any number of callers at once is fine. Raises StoreUnavailable where it takes longer than a quarter of an hour;
    the next call goes on from there.
    """
    for table in declared(names):
        await make(client, table, pause)


async def make(client: Client, table: Table, pause: Callable[[float], Awaitable[None]]) -> None:
    """Brings one table to what is declared, step by step, each decided from a fresh look."""
    delay_s = _FIRST_PAUSE_S
    for _ in range(_LOOKS):
        step = await _look(client, table)
        if step is None:
            return
        if step.operation is None or not await _take(client, step.operation, step.request):
            await pause(delay_s)
            delay_s = min(_LONGEST_PAUSE_S, delay_s * 2)
    raise StoreUnavailable(f"Table {table.name} is still not as declared: run `streamer tables create` again.")


async def _look(client: Client, table: Table) -> Step | None:
    present = await describe(client, table)
    return next_step(table, present, await time_to_live(client, table) if present and table.expires else None)


async def _take(client: Client, operation: str, request: Request) -> bool:
    """False where somebody else is at this table just now: look again what is left to do."""
    try:
        await client.call(operation, operation, request)
    except (Busy, Missing):
        return False
    except InvalidRequest:
        if operation == "update_time_to_live":  # "already enabled" has no code of its own
            return False
        raise
    return True


async def describe(client: Client, table: Table) -> Description | None:
    """None where there is no such table. Raises StoreUnavailable."""
    try:
        answer = await client.call("describe_table", "describe_table", {"TableName": table.name})
    except Missing:
        return None
    description: Description = answer["Table"]
    return description


async def time_to_live(client: Client, table: Table) -> str | None:
    """Its status, None where it has none yet. Raises StoreUnavailable."""
    try:
        answer = await client.call("describe_time_to_live", "describe_time_to_live", {"TableName": table.name})
    except (Missing, InvalidRequest):  # DynamoDB may refuse this until a new table is ACTIVE
        return None
    status: str = answer["TimeToLiveDescription"]["TimeToLiveStatus"]
    return status
