"""`Rows` on `streamer_requests` and `streamer_events`."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from streamer.jobs.lifecycle import Transition
from streamer.jobs.model import Aside, Entry, Job
from streamer.store.base import Refused
from streamer.store.dynamodb import items, keys, reads, requests
from streamer.store.dynamodb.client import Client
from streamer.store.dynamodb.errors import ConditionFailed
from streamer.store.engine import MAX_MS, Made
from streamer.store.fan_out import each

UNFINISHED_BYTES: Final = 700
"""So that owner, progress and routes keep the row under the 1,024 bytes that one write unit pays for."""
FINISHED_BYTES: Final = 1_000


class DynamoDBRows:
    """See `streamer.store.engine.Rows`."""

    def __init__(self, client: Client, tables: keys.TableNames) -> None:
        self._client = client
        self._tables = tables

    async def insert(self, job: Job, now_ms: int) -> Job | None:
        try:
            await self._client.call("insert", "put_item", requests.insert(self._tables.requests, job, now_ms))
        except ConditionFailed as failed:
            return items.decode(failed.item) if failed.item else None
        return None

    async def update_status(self, job_id: str, transition: Transition) -> Job:
        request = requests.update(self._tables.requests, job_id, transition)
        try:
            answer = await self._client.call(transition.name, "update_item", request)
        except ConditionFailed as failed:
            raise Refused(transition.name, items.decode(failed.item) if failed.item else None) from None
        return items.decode(answer["Attributes"])

    async def read(self, job_ids: Collection[str]) -> Mapping[str, Job]:
        wanted = requests.job_keys(list(dict.fromkeys(job_ids)))
        rows = await reads.get_all(self._client, "read", self._tables.requests, wanted)
        return {job.job_id: job for job in map(items.decode, rows)}

    async def entries(
        self,
        partition: str,
        *,
        limit: int,
        up_to: str | None = None,
        prefix: str | None = None,
        after: str | None = None,
    ) -> Sequence[tuple[str, Entry]]:
        request = requests.entries(self._tables.requests, partition, up_to=up_to, prefix=prefix, after=after)
        found = await reads.query_all(self._client, "entries", request, limit=limit)
        places = [(item[keys.REQUEST_ID]["S"], items.decode_entry(item)) for item in found]
        return [(job_id, entry) for job_id, entry in places if entry is not None]

    async def count(self, partition: str, *, limit: int, up_to: str | None = None) -> int:
        request = requests.entries(self._tables.requests, partition, up_to=up_to)
        return await reads.count_all(self._client, "count", request, limit=limit)

    async def newest(self, tenant: str, user: str, limit: int) -> Sequence[str]:
        shards = [requests.newest(self._tables.requests, key) for key in keys.job_user_keys(tenant, user)]
        found = await each(lambda shard: reads.query_all(self._client, "newest", shard, limit=limit), shards)
        merged = [item for shard in found for item in shard]
        merged.sort(key=lambda item: int(item[keys.CREATED_AT]["N"]), reverse=True)
        return [item[keys.REQUEST_ID]["S"] for item in merged[:limit]]

    @property
    def user_shards(self) -> int:
        return keys.USER_SHARDS

    async def newest_in(
        self, shard: int, tenant: str, user: str, *, limit: int, after: Made | None = None, until_ms: int = MAX_MS
    ) -> Sequence[Made]:
        key = keys.job_user_keys(tenant, user)[shard]
        request = requests.newest(self._tables.requests, key, after, until_ms=until_ms)
        found = await reads.query_all(self._client, "newest", request, limit=limit)
        return [Made(int(item[keys.CREATED_AT]["N"]), item[keys.REQUEST_ID]["S"]) for item in found]

    async def put_aside(self, job_id: str, name: str, parts: Sequence[bytes], expires_ms: int) -> None:
        puts = [
            requests.put_part(self._tables.events, job_id, keys.part_key(name, number), part, expires_ms)
            for number, part in enumerate(parts)
        ]
        await each(lambda put: self._client.call("put_aside", "put_item", put), puts)

    async def get_aside(self, job_id: str, aside: Aside) -> Sequence[bytes] | None:
        sorts = [keys.part_key(aside.name, number) for number in range(aside.parts)]
        wanted = [requests.part_key(job_id, sort) for sort in sorts]
        found = await reads.get_all(self._client, "get_aside", self._tables.events, wanted)
        bodies: dict[str, bytes] = {item[keys.SORT_KEY]["S"]: item["b"]["B"] for item in found}
        return [bodies[sort] for sort in sorts] if len(bodies) == len(sorts) else None

    def fits(self, job: Job) -> bool:
        limit = FINISHED_BYTES if job.finished else UNFINISHED_BYTES
        return items.size(items.encode(job)) <= limit
