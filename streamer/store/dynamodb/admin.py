"""`AdminRows` over all tables."""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from streamer.jobs.lifecycle import Guard
from streamer.jobs.model import Job
from streamer.store.admin import Place
from streamer.store.dynamodb import items, keys, reads, requests
from streamer.store.dynamodb.client import Client
from streamer.store.dynamodb.conditions import condition
from streamer.store.dynamodb.errors import ConditionFailed
from streamer.store.dynamodb.expressions import Placeholders
from streamer.store.dynamodb.requests import Request
from streamer.store.fan_out import each

_BESIDE_KEY: Final = (keys.REQUEST_ID, keys.SORT_KEY)
_WATCH_KEY: Final = (keys.REQUEST_ID, keys.CONNECTION_ID)


class DynamoDBAdminRows:
    """See `streamer.store.admin.AdminRows`.

    The jobs of a user are found by UserIndex; those of a tenant, and subscriptions by who has them, by a scan, which
    reads the whole table: a read unit for every 4 KB of it.
    """

    def __init__(self, client: Client, tables: keys.TableNames) -> None:
        self._client = client
        self._tables = tables

    async def page(self, partition: str, *, limit: int, after: Place | None = None) -> Sequence[Place]:
        request = page(self._tables.requests, partition, after)
        found = await reads.query_all(self._client, "admin_page", request, limit=limit)
        return [Place(item[keys.DISPATCH_SK]["S"], item[keys.REQUEST_ID]["S"]) for item in found]

    async def delete_row(self, job_id: str, guard: Guard) -> Job | None:
        request = delete_row(self._tables.requests, job_id, guard)
        try:
            answer = await self._client.call("delete_row", "delete_item", request)
        except ConditionFailed:
            return None
        return items.decode(answer["Attributes"])

    async def delete_beside(self, partition: str) -> int:
        deleted = await self._delete_under(self._tables.events, partition, _BESIDE_KEY)
        return deleted + await self._delete_under(self._tables.subscriptions, partition, _WATCH_KEY)

    async def jobs_of(self, tenant: str, user: str | None) -> AsyncIterator[Sequence[Job]]:
        pages = self._jobs_of_tenant(tenant) if user is None else self._jobs_of_user(tenant, user)
        async for page in pages:
            yield page

    async def delete_watches(self, tenant: str, user: str | None) -> int:
        table = self._tables.subscriptions
        deleted = 0
        async for found in self._scanned(belonging(table, tenant, user)):
            deleted += await self._delete(table, found, _WATCH_KEY)
        return deleted

    async def _jobs_of_tenant(self, tenant: str) -> AsyncIterator[Sequence[Job]]:
        async for found in self._scanned(belonging(self._tables.requests, tenant, None)):
            yield [items.decode(item) for item in found]

    async def _jobs_of_user(self, tenant: str, user: str) -> AsyncIterator[Sequence[Job]]:
        table = self._tables.requests
        for shard in keys.job_user_keys(tenant, user):
            listed = await reads.query_all(self._client, "admin_jobs", requests.newest(table, shard))
            job_ids = [item[keys.REQUEST_ID]["S"] for item in listed]
            for start in range(0, len(job_ids), reads.BATCH):
                wanted = requests.job_keys(job_ids[start : start + reads.BATCH])
                rows = await reads.get_all(self._client, "admin_jobs", table, wanted)
                yield [job for job in map(items.decode, rows) if (job.tenant, job.user) == (tenant, user)]

    async def _scanned(self, request: Request) -> AsyncIterator[Sequence[items.Item]]:
        page = request
        while True:
            answer = await self._client.call("admin_scan", "scan", page)
            yield answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            page = {**request, "ExclusiveStartKey": answer["LastEvaluatedKey"]}

    async def _delete_under(self, table: str, partition: str, key: Sequence[str]) -> int:
        found = await reads.query_all(self._client, "admin_beside", under(table, partition, key))
        return await self._delete(table, found, key)

    async def _delete(self, table: str, found: Sequence[items.Item], key: Sequence[str]) -> int:
        deletes = [{"TableName": table, "Key": {name: item[name] for name in key}} for item in found]
        await each(lambda delete: self._client.call("delete_beside", "delete_item", delete), deletes)
        return len(deletes)


def page(table: str, partition: str, after: Place | None) -> Request:
    """Entries of one partition of the queue index, from behind a place on, whether that is still taken or not."""
    request = requests.entries(table, partition)
    if after is None:
        return request
    start = {
        keys.REQUEST_ID: items.text(after.job_id),
        keys.DISPATCH_PK: items.text(partition),
        keys.DISPATCH_SK: items.text(after.sort),
    }
    return {**request, "ExclusiveStartKey": start}


def delete_row(table: str, job_id: str, guard: Guard) -> Request:
    bind = Placeholders()
    return {
        "TableName": table,
        "Key": {keys.REQUEST_ID: items.text(job_id)},
        "ConditionExpression": condition(guard, bind),
        **bind.bound(),
        "ReturnValues": "ALL_OLD",
    }


def under(table: str, partition: str, key: Sequence[str]) -> Request:
    """The keys of all items of a partition; reading costs what the items weigh all the same."""
    bind = Placeholders()
    return {
        "TableName": table,
        "KeyConditionExpression": f"{bind.name(keys.REQUEST_ID)} = {bind.value('partition', items.text(partition))}",
        "ProjectionExpression": ", ".join(bind.name(name) for name in key),
        "ConsistentRead": True,
        **bind.bound(),
    }


def belonging(table: str, tenant: str, user: str | None) -> Request:
    """A scan for what a tenant, or one of its users, has: rows name both alike in every table."""
    bind = Placeholders()
    wanted = f"{bind.name(keys.JOB['tenant'])} = {bind.value('tenant', items.text(tenant))}"
    if user is not None:
        wanted += f" AND {bind.name(keys.JOB['user'])} = {bind.value('user', items.text(user))}"
    return {"TableName": table, "FilterExpression": wanted, "ConsistentRead": True, **bind.bound()}
