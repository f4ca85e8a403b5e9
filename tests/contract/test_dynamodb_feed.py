"""The feed of changes of jobs on DynamoDB: its records, its shards, and the leases by which readers share them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from streamer.jobs import ids
from streamer.jobs.model import Job, Progress, Status
from streamer.store.base import Store
from streamer.store.dynamodb import client as clients
from streamer.store.dynamodb import keys
from streamer.store.dynamodb.client import Client
from streamer.store.dynamodb.store import open_dynamodb
from streamer.store.feed import (
    BEGINNING,
    LATEST,
    Change,
    Expired,
    Feed,
    FeedMissing,
    Lease,
    LeaseLost,
    Shard,
    Trimmed,
)
from tests.support import dynamodb_local
from tests.support.bill import Bill
from tests.support.fault_proxy import DropAnswer, FaultProxy
from tests.support.jobs import OOPS, Clock
from tests.support.store import Engine, Scene
from tests.support.until import until


@pytest.fixture
def dynamodb(dynamodb_engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Engine:
    for name, value in dynamodb_engine.environment.items():
        monkeypatch.setenv(name, value)
    return dynamodb_engine


@pytest.fixture
async def store(dynamodb: Engine, clock: Clock) -> AsyncIterator[Store]:
    async with dynamodb.open(clock=clock) as opened:
        yield opened


@pytest.fixture
async def feed(store: Store) -> AsyncIterator[Feed]:
    """Its shard is the one that all tests of these tables write to."""
    async with opened(store) as feed:
        yield feed


@asynccontextmanager
async def opened(store: Store) -> AsyncIterator[Feed]:
    assert store.feeds is not None
    async with store.feeds.open() as feed:
        yield feed


async def only_shard(feed: Feed) -> Shard:
    [shard] = await feed.shards()
    return shard


class Reading:
    """Reads one shard on from a position, and keeps what it saw."""

    def __init__(self, feed: Feed, cursor: str | None) -> None:
        self._feed = feed
        self.cursor = cursor  # None: the end
        self.position: str | None = None
        self.changes: list[Change] = []

    @classmethod
    async def of(cls, feed: Feed, position: str) -> "Reading":
        return cls(feed, await feed.cursor((await only_shard(feed)).shard_id, position))

    async def on(self) -> None:
        assert self.cursor is not None, "the shard has ended"
        try:
            page = await self._feed.read(self.cursor)
        except Trimmed:  # DynamoDB Local, of a cursor from before the first record
            self.cursor = await self._feed.cursor((await only_shard(self._feed)).shard_id, BEGINNING)
            return
        self.cursor, self.position = page.cursor, page.position or self.position
        self.changes += page.changes

    async def up_to(self, job: Job) -> list[Change]:
        """The changes of this job, when the newest of them is this row."""

        async def seen() -> bool:
            await self.on()
            return any(change.after == job for change in self.changes)

        await until(seen, what=f"{job.status} in the feed")
        return self.of_job(job)

    def of_job(self, job: Job) -> list[Change]:
        return [change for change in self.changes if change.after and change.after.job_id == job.job_id]


def statuses(changes: list[Change]) -> list[tuple[Status | None, ...]]:
    return [tuple(row.status if row else None for row in (change.before, change.after)) for change in changes]


async def test_a_jobs_life_is_told_in_order(scene: Scene, feed: Feed) -> None:
    reading = await Reading.of(feed, LATEST)
    submitted = await scene.submit(max_retries=1, connection="n1.c")
    running = await scene.claim(submitted)
    told = await scene.store.requests.save_progress(running, Progress(50, "Half"), 1)
    waiting = await scene.store.requests.retry(told, OOPS, 2, scene.clock())
    done = await scene.store.requests.complete(await scene.claim(waiting), b'"done"', 1)
    changes = await reading.up_to(done)
    assert statuses(changes) == [
        (None, Status.PENDING),
        (Status.PENDING, Status.PROCESSING),
        (Status.PROCESSING, Status.PROCESSING),
        (Status.PROCESSING, Status.RETRYING),
        (Status.RETRYING, Status.PROCESSING),
        (Status.PROCESSING, Status.COMPLETED),
    ]
    assert [change.after for change in changes[:3]] == [submitted, running, told]
    assert changes[1].before == submitted
    assert [change.position for change in changes] == sorted({change.position for change in changes}, key=int)


async def test_latest_begins_with_what_comes_and_the_beginning_with_what_was(scene: Scene, feed: Feed) -> None:
    before = await scene.submit("r1")
    late, early = await Reading.of(feed, LATEST), await Reading.of(feed, BEGINNING)
    after = await scene.submit("r2")
    await late.up_to(after)
    await early.up_to(after)
    assert (late.of_job(before), len(early.of_job(before))) == ([], 1)


async def test_a_reader_goes_on_after_the_position_that_it_noted(scene: Scene, feed: Feed) -> None:
    reading = await Reading.of(feed, LATEST)
    handled = (await reading.up_to(await scene.submit("r1")))[-1]
    missed = await scene.submit("r2")
    again = await Reading.of(feed, handled.position)
    await again.up_to(missed)
    assert again.changes[0].after == missed
    assert again.position == again.changes[-1].position


async def test_a_deleted_row_is_no_change_but_moves_the_position(scene: Scene, feed: Feed, dynamodb: Engine) -> None:
    reading = await Reading.of(feed, LATEST)
    job = await scene.submit()
    [change] = await reading.up_to(job)
    async with sdk() as client:
        key = {keys.REQUEST_ID: {"S": job.job_id}}
        await client.call("delete", "delete_item", {"TableName": f"{dynamodb.table_prefix}requests", "Key": key})

    async def moved() -> bool:
        await reading.on()
        return reading.position != change.position

    await until(moved)
    assert reading.changes == [change]


@asynccontextmanager
async def sdk() -> AsyncIterator[Client]:
    async with clients.connected(clients.CALLS) as send:
        yield Client(send)


# --- the stream is switched off, and on again -----------------------------------------------------------------------


@pytest.fixture
def own(dynamodb: Engine) -> Engine:
    """For tables of one test, whose stream it may switch."""
    return replace(dynamodb, table_prefix=f"own_{ids.nonce()}_")


async def switch_off(own: Engine) -> None:
    table = {"TableName": f"{own.table_prefix}requests"}
    async with sdk() as client:
        await client.call("switch", "update_table", {**table, "StreamSpecification": {"StreamEnabled": False}})

        async def is_active() -> bool:
            described = await client.call("look", "describe_table", table)
            return bool(described["Table"]["TableStatus"] == "ACTIVE")

        await until(is_active)


async def test_a_stream_that_is_switched_off_ends_and_another_one_begins(own: Engine, clock: Clock) -> None:
    async with own.open(clock=clock) as store:
        await store.create()
        scene = Scene(store, clock)
        async with opened(store) as former:
            reading = await Reading.of(former, BEGINNING)
            last = await scene.submit("r1")
            await switch_off(own)
            with pytest.raises(FeedMissing, match=r"has no stream: run `streamer tables create`\.$"):
                await opened(store).__aenter__()
            await until(lambda: ended(reading))
            assert [change.after for change in reading.changes] == [last]
            assert (await only_shard(former)).is_closed

        await store.create()  # switches it on
        async with opened(store) as feed:
            assert feed.feed_id != former.feed_id
            assert not (await only_shard(feed)).is_closed
            reading = await Reading.of(feed, BEGINNING)
            assert len(await reading.up_to(await scene.submit("r2"))) == 1
            await former.create_lease("shard", BEGINNING)
            assert await feed.leases() == []


async def ended(reading: Reading) -> bool:
    if reading.cursor is not None:
        await reading.on()
    return reading.cursor is None


async def test_what_is_not_there_is_missing(feed: Feed, clock: Clock) -> None:
    with pytest.raises(FeedMissing):
        await feed.cursor("shardId-00000000000000000000-00000000", BEGINNING)
    async with open_dynamodb(table_prefix="absent_", clock=clock) as store:
        with pytest.raises(FeedMissing):
            await opened(store).__aenter__()


async def test_a_cursor_that_is_none_is_to_be_asked_for_again(feed: Feed) -> None:
    with pytest.raises(Expired):
        await feed.read("nonsense")


# --- leases -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def shard_id() -> str:
    return f"shard-{ids.nonce()}"


async def lease_of(feed: Feed, shard_id: str) -> Lease | None:
    return next((lease for lease in await feed.leases() if lease.shard_id == shard_id), None)


async def made(feed: Feed, shard_id: str) -> Lease:
    await feed.create_lease(shard_id, LATEST)
    lease = await lease_of(feed, shard_id)
    assert lease is not None
    return lease


async def test_a_lease_is_made_once(feed: Feed, shard_id: str) -> None:
    lease = await made(feed, shard_id)
    assert lease == Lease(shard_id, owner=None, counter=0, position=LATEST)
    await feed.take(lease, "session-a")
    await feed.create_lease(shard_id, BEGINNING)
    assert await lease_of(feed, shard_id) == Lease(shard_id, owner="session-a", counter=1, position=LATEST)


async def test_of_two_takers_one_gets_it(feed: Feed, shard_id: str) -> None:
    lease = await made(feed, shard_id)
    taken = await feed.take(lease, "session-a")
    with pytest.raises(LeaseLost):
        await feed.take(lease, "session-b")
    assert await lease_of(feed, shard_id) == taken


async def test_a_checkpoint_by_its_former_owner_is_refused(feed: Feed, shard_id: str) -> None:
    mine = await feed.checkpoint(await feed.take(await made(feed, shard_id), "session-a"), "100")
    theirs = await feed.take(mine, "session-b")
    with pytest.raises(LeaseLost):
        await feed.checkpoint(mine, "200")
    await feed.release(mine)
    await feed.delete_lease(mine)
    assert await lease_of(feed, shard_id) == theirs
    assert theirs.position == "100"


async def test_a_lease_that_is_given_back_is_free_at_its_position(feed: Feed, shard_id: str) -> None:
    mine = await feed.checkpoint(await feed.take(await made(feed, shard_id), "session-a"), "100")
    await feed.release(mine)
    free = await lease_of(feed, shard_id)
    assert free == Lease(shard_id, owner=None, counter=mine.counter + 1, position="100")
    with pytest.raises(LeaseLost):
        await feed.checkpoint(mine, "200")
    assert (await feed.take(free, "session-b")).position == "100"


async def test_a_shard_that_was_read_to_its_end_and_its_lease(feed: Feed, shard_id: str) -> None:
    done = await feed.checkpoint(await feed.take(await made(feed, shard_id), "session-a"), "100", is_done=True)
    assert done.is_done
    assert await lease_of(feed, shard_id) == done
    await feed.delete_lease(done)
    assert await lease_of(feed, shard_id) is None
    with pytest.raises(LeaseLost):
        await feed.checkpoint(done, "200")


async def test_every_write_of_a_lease_costs_one(dynamodb: Engine, clock: Clock, shard_id: str) -> None:
    bill = Bill(dynamodb.table_prefix)
    opening = open_dynamodb(table_prefix=dynamodb.table_prefix, clock=clock, on_capacity=bill.add)
    async with opening as store, opened(store) as feed:
        await feed.create_lease(shard_id, LATEST)
        assert bill.take() == {"leases": 1}
        lease = await feed.take(Lease(shard_id, None, 0, LATEST), "session-a")
        assert bill.take() == {"leases": 1}
        lease = await feed.checkpoint(lease, "1" * 40)
        assert bill.take() == {"leases": 1}
        await feed.release(lease)
        assert bill.take() == {"leases": 1}
        await feed.delete_lease(Lease(shard_id, None, lease.counter + 1, LATEST))
        assert bill.take() == {"leases": 1}


async def test_lost_answers_about_a_lease(
    dynamodb: Engine, clock: Clock, shard_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK asks again, finds its own write in the way, and its caller holds the lease."""
    async with FaultProxy(dynamodb.environment["AWS_ENDPOINT_URL_DYNAMODB"]) as proxy:
        for name, value in dynamodb_local.environment(proxy.url).items():
            monkeypatch.setenv(name, value)
        async with dynamodb.open(clock=clock) as store, opened(store) as feed:
            lease = await made(feed, shard_id)
            rules = [proxy.on("UpdateItem", DropAnswer())]
            lease = await feed.take(lease, "session-a")
            rules.append(proxy.on("UpdateItem", DropAnswer()))
            lease = await feed.checkpoint(lease, "100")
            assert await lease_of(feed, shard_id) == lease
            rules.append(proxy.on("UpdateItem", DropAnswer()))
            await feed.release(lease)
            assert [rule.hits for rule in rules] == [1, 1, 1]
            assert await lease_of(feed, shard_id) == Lease(shard_id, None, 3, "100")
