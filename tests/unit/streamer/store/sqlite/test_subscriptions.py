from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.store.base import Subscription
from streamer.store.sqlite.engine import Engine
from streamer.store.sqlite.purge import Purge
from streamer.store.sqlite.subscriptions import SqliteSubscriptions
from tests.support.jobs import NOON_MS, Clock
from tests.unit.streamer.store.sqlite.conftest import Sql

EVE = Subscription(job_id="j1", connection_id="boot.1", tenant="acme", user="eve", expires_ms=NOON_MS + 5)


@pytest.fixture
async def subscriptions(path: Path, clock: Clock) -> AsyncIterator[SqliteSubscriptions]:
    engine = Engine(path, busy_timeout_s=5.0, purge=Purge(clock), observer=None)
    yield SqliteSubscriptions(engine, clock)
    await engine.close()


async def test_a_watcher_comes_back_as_it_was_stored(subscriptions: SqliteSubscriptions) -> None:
    longer = replace(EVE, expires_ms=NOON_MS + 9)
    for each in (EVE, longer):
        await subscriptions.subscribe(each)
    assert await subscriptions.list_by_request("j1") == [longer]


async def test_what_is_removed_is_gone_from_the_file(subscriptions: SqliteSubscriptions, sql: Sql) -> None:
    for name in ("boot.1", "boot.2", "boot.3"):
        await subscriptions.subscribe(replace(EVE, connection_id=name))
    await subscriptions.unsubscribe("j1", ["boot.1", "boot.3", "boot.4"])
    assert sql("SELECT connection_id FROM subscriptions") == [("boot.2",)]


async def test_an_expired_watcher_is_left_out_whether_or_not_it_was_deleted(
    subscriptions: SqliteSubscriptions, clock: Clock
) -> None:
    await subscriptions.subscribe(EVE)
    clock.advance(5)
    assert await subscriptions.list_by_request("j1") == []
