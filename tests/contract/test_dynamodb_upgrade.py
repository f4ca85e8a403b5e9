"""A deployment of an earlier layout gets what is missing of its tables while jobs come in.

On a server of its own: where DynamoDB Local holds several deployments, an index that is added to a table may stay
CREATING for ever, and every write to that table is answered 500.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from dataclasses import replace

import pytest

from streamer.errors import StoreUnavailable
from streamer.jobs.dispatch import Kind
from streamer.jobs.model import Job
from streamer.store.base import Store
from streamer.store.dynamodb import client as clients
from streamer.store.dynamodb import keys, tables
from streamer.store.dynamodb.client import Client
from streamer.store.dynamodb.store import open_dynamodb
from streamer.store.feed import BEGINNING, FeedMissing
from tests.support.dynamodb_local import DynamoDBLocal
from tests.support.jobs import Clock
from tests.support.store import Scene
from tests.support.until import until

NAMES = keys.TableNames("earlier_")
USER_INDEX = {keys.USER_INDEX: {keys.USER_KEY: "S", keys.CREATED_AT: "N"}}


@pytest.fixture
async def earlier(dynamodb_local: DynamoDBLocal, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Store]:
    """Without the queue's index, without a stream, and without the table of the leases."""
    assert dynamodb_local.url  # so that this is left out where tests on DynamoDB are
    with DynamoDBLocal(own=True) as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        async with clients.connected(clients.CALLS) as send:
            await make_as_it_was(Client(send))
        async with open_dynamodb(table_prefix=NAMES.prefix, clock=clock) as store:
            yield store


async def make_as_it_was(client: Client) -> None:
    requests, *others = tables.declared(NAMES)
    for table in (replace(requests, indexes=USER_INDEX, stream=False), *others):
        if table.name != NAMES.leases:
            await tables.make(client, table, asyncio.sleep)


class Submitting:
    """Jobs that come in, one after the other."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._is_over = False
        self.jobs: dict[str, Job] = {}

    async def run(self) -> None:
        while not self._is_over:
            with suppress(StoreUnavailable):  # a write may fail while an index is added: again, as clients do
                job = await self._scene.submit(f"r{len(self.jobs)}")
                self.jobs[job.job_id] = job

    async def more(self) -> None:
        now = len(self.jobs)
        await until(lambda: len(self.jobs) > now)

    def end(self) -> None:
        self._is_over = True


async def test_what_is_missing_is_made_while_jobs_come_in(earlier: Store, clock: Clock) -> None:
    assert earlier.feeds is not None
    with pytest.raises(FeedMissing):
        await earlier.feeds.open().__aenter__()
    with pytest.raises(StoreUnavailable, match=r"lacks the index DispatchIndex: run `streamer tables create`\.$"):
        await earlier.check()

    scene = Scene(earlier, clock)
    jobs = await submitted_meanwhile(scene)
    assert (await scene.index(Kind.READY)).keys() == jobs.keys()
    async with earlier.feeds.open() as feed:
        [shard] = await feed.shards()
        await feed.create_lease(shard.shard_id, BEGINNING)
        assert [lease.shard_id for lease in await feed.leases()] == [shard.shard_id]
        changes = (await feed.read(await feed.cursor(shard.shard_id, BEGINNING))).changes
    assert changes[-1].after == list(jobs.values())[-1]


async def submitted_meanwhile(scene: Scene) -> Mapping[str, Job]:
    submitting = Submitting(scene)
    async with asyncio.TaskGroup() as group:
        group.create_task(submitting.run(), name="submitting")
        await submitting.more()
        await scene.store.create()
        await scene.store.check()
        await submitting.more()
        submitting.end()
    return submitting.jobs
