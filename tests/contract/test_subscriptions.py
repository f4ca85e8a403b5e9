"""SubscriptionStore: who watches which job."""

from dataclasses import replace

import pytest

from streamer.jobs import ids
from streamer.store.base import Subscription
from tests.support.jobs import DAY_MS
from tests.support.store import Scene


def subscription(scene: Scene, **fields: object) -> Subscription:
    made = Subscription(
        job_id=scene.job_id("r1"),
        connection_id=ids.connection_id(ids.boot_id()),
        tenant=scene.tenant,
        user=scene.user,
        expires_ms=scene.clock() + 7 * DAY_MS,
    )
    return replace(made, **fields)  # type: ignore[arg-type]  # any field of Subscription


async def test_a_watcher_is_listed(scene: Scene) -> None:
    watcher = subscription(scene, user="a #✓ user")
    await scene.store.subscriptions.subscribe(watcher)
    assert await scene.store.subscriptions.list_by_request(watcher.job_id) == [watcher]


async def test_a_job_that_nobody_watches(scene: Scene) -> None:
    assert await scene.store.subscriptions.list_by_request(scene.job_id("never")) == []


async def test_watching_again_replaces(scene: Scene) -> None:
    watcher = subscription(scene)
    longer = replace(watcher, expires_ms=watcher.expires_ms + 1_000)
    await scene.store.subscriptions.subscribe(watcher)
    await scene.store.subscriptions.subscribe(longer)
    assert await scene.store.subscriptions.list_by_request(watcher.job_id) == [longer]


async def test_each_job_has_its_own_watchers(scene: Scene) -> None:
    watcher = subscription(scene)
    elsewhere = replace(watcher, job_id=scene.job_id("r2"))
    for each in (watcher, elsewhere):
        await scene.store.subscriptions.subscribe(each)
    await scene.store.subscriptions.unsubscribe(watcher.job_id, [watcher.connection_id])
    assert await scene.store.subscriptions.list_by_request(watcher.job_id) == []
    assert await scene.store.subscriptions.list_by_request(elsewhere.job_id) == [elsewhere]


async def test_all_watchers_are_listed_and_removed_at_once(scene: Scene) -> None:
    watchers = [subscription(scene, user=f"u{number}") for number in range(40)]
    for watcher in watchers:
        await scene.store.subscriptions.subscribe(watcher)
    listed = await scene.store.subscriptions.list_by_request(watchers[0].job_id)
    assert list(listed) == sorted(watchers, key=lambda watcher: watcher.connection_id)
    gone = [watcher.connection_id for watcher in watchers[1:]]
    await scene.store.subscriptions.unsubscribe(watchers[0].job_id, gone)
    assert await scene.store.subscriptions.list_by_request(watchers[0].job_id) == watchers[:1]


@pytest.mark.parametrize("connections", [[], ["never"], ["never", "never"]])
async def test_who_does_not_watch_may_stop_watching(scene: Scene, connections: list[str]) -> None:
    watcher = subscription(scene)
    await scene.store.subscriptions.subscribe(watcher)
    await scene.store.subscriptions.unsubscribe(watcher.job_id, connections)
    assert await scene.store.subscriptions.list_by_request(watcher.job_id) == [watcher]


async def test_an_expired_watcher_is_left_out(scene: Scene) -> None:
    short, long = subscription(scene, expires_ms=scene.clock() + 5_000), subscription(scene)
    for watcher in (short, long):
        await scene.store.subscriptions.subscribe(watcher)
    scene.clock.advance(4_999)
    assert len(await scene.store.subscriptions.list_by_request(short.job_id)) == 2
    scene.clock.advance(1)
    assert await scene.store.subscriptions.list_by_request(short.job_id) == [long]
