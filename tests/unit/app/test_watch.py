"""What overtakes what, between a `subscribe` and its answer; what a client sees is in tests/integration/app."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from app.binding import Bindings
from app.catchup import Behind, CatchUps
from app.connection import Connection
from app.listeners import Listeners
from app.watch import PERMISSION, Watches
from streamer.auth import Principal
from streamer.errors import StoreUnavailable
from streamer.jobs.model import Job, Status
from streamer.protocol.messages import Seen, Subscribe, Unsubscribe
from streamer.store.base import RequestQueue
from tests.support.until import until
from tests.unit.app.parts import ANN, Socket, connection, job


@dataclass
class World:
    """One running job of ann's, and who has a subscription to it. The first `subscribe` takes until `go`."""

    row: Job = field(default_factory=lambda: replace(job(), status=Status.PROCESSING, attempt=1))
    subscribed: set[str] = field(default_factory=set)
    calls: int = 0
    go: asyncio.Event = field(default_factory=asyncio.Event)
    caught_up: list[str] = field(default_factory=list)
    is_away: bool = False  # does not forget subscriptions now

    async def settled(self, _: Connection) -> None: ...

    async def get(self, _: str) -> Job:
        return self.row

    async def subscribe(self, watcher: Connection, row: Job) -> Job:
        self.calls += 1
        self.subscribed.add(watcher.connection_id)
        if self.calls == 1:
            await self.go.wait()
        return row

    async def unsubscribe(self, watcher: Connection, _: str) -> Job:
        if self.is_away:
            raise StoreUnavailable
        self.subscribed.discard(watcher.connection_id)
        return self.row

    async def catch_up(self, _: Connection, jobs: Sequence[Behind]) -> None:
        self.caught_up += [row.job_id for _, row in jobs]


class Stage:
    def __init__(self) -> None:
        self.world = World()
        self.socket = Socket()
        self.connection = connection(self.socket, v1=True)
        self.watches = Watches(
            requests=cast("RequestQueue", self.world),
            bindings=cast("Bindings", self.world),
            listeners=cast("Listeners", self.world),
            catchups=cast("CatchUps", self.world),
        )

    async def subscribe(self) -> None:
        job_id = self.world.row.job_id
        await self.watches.subscribe(self.connection, Subscribe(job_id, Seen(job_id), None))

    async def unsubscribe(self) -> None:
        await self.watches.unsubscribe(self.connection, Unsubscribe(self.world.row.job_id))

    @property
    def told(self) -> list[str]:
        return [frame["type"] for frame in self.socket.frames]


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def begun(stage: Stage) -> "asyncio.Task[None]":
    """A `subscribe` that waits for the store."""
    task = asyncio.create_task(stage.subscribe(), name="subscribe")
    await until(lambda: stage.world.calls)
    return task


async def test_who_unsubscribes_at_once_watches_nothing(stage: Stage) -> None:
    subscribing = await begun(stage)
    await stage.unsubscribe()
    stage.world.subscribed.add(stage.connection.connection_id)  # it was stored after that
    stage.world.go.set()
    await subscribing
    assert stage.told == ["unsubscribed"]
    assert not stage.world.subscribed
    assert not stage.connection.trackers
    assert not stage.world.caught_up


async def test_who_subscribes_anew_meanwhile_goes_on_to_watch(stage: Stage) -> None:
    subscribing = await begun(stage)
    await stage.unsubscribe()
    await stage.subscribe()
    stage.world.go.set()
    await subscribing
    assert stage.told == ["unsubscribed", "subscribed"]
    assert stage.world.subscribed == {stage.connection.connection_id}
    assert stage.world.caught_up == [stage.world.row.job_id]


async def test_who_subscribes_twice_is_caught_up_once(stage: Stage) -> None:
    subscribing = await begun(stage)
    await stage.subscribe()
    stage.world.go.set()
    await subscribing
    assert stage.told == ["subscribed", "subscribed"]
    assert stage.world.calls == 1
    assert stage.world.caught_up == [stage.world.row.job_id]


async def test_who_submits_the_request_meanwhile_gets_all_of_it(stage: Stage) -> None:
    subscribing = await begun(stage)
    tracker = stage.connection.track(stage.world.row.job_id, "r1")
    stage.world.go.set()
    await subscribing
    assert (tracker.request_id, tracker.is_watcher) == ("r1", False)
    assert stage.connection.trackers == {stage.world.row.job_id: tracker}
    assert stage.told == ["subscribed"]


async def test_who_watches_as_much_as_it_may_can_still_ask_what_it_watches(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.watch.MAX_WATCHED", 1)
    stage.world.go.set()
    for _ in range(2):
        await stage.subscribe()
    assert stage.told == ["subscribed", "subscribed"]
    stage.world.row = replace(stage.world.row, job_id="another")
    await stage.subscribe()
    assert stage.socket.frames[-1]["error"]["code"] == "RATE_LIMITED"


# --- a permission comes and goes ----------------------------------------------------------------------------

WATCHER = replace(ANN, user="bob", permissions=frozenset({PERMISSION}))
NO_MORE = replace(WATCHER, permissions=frozenset())


@pytest.mark.parametrize("is_away", [False, True], ids=["the store answers", "the store is away"])
async def test_who_may_watch_no_more_is_told_that_it_does_not(stage: Stage, is_away: bool) -> None:
    stage.connection.principal = WATCHER
    stage.world.go.set()
    await stage.subscribe()
    stage.world.is_away = is_away
    await stage.watches.withdraw(stage.connection)
    assert stage.told == ["subscribed"]
    stage.connection.principal = NO_MORE
    await stage.watches.withdraw(stage.connection)
    assert stage.told == ["subscribed", "unsubscribed"]
    assert not stage.connection.trackers
    assert bool(stage.world.subscribed) is is_away


async def test_ones_own_jobs_are_watched_without_a_permission(stage: Stage) -> None:
    stage.world.go.set()
    await stage.subscribe()
    await stage.watches.withdraw(stage.connection)
    assert stage.told == ["subscribed"]
    assert stage.connection.trackers


async def test_a_plain_client_that_may_watch_no_more_just_hears_nothing(stage: Stage) -> None:
    stage.connection = connection(stage.socket, principal=WATCHER)
    stage.world.go.set()
    await stage.subscribe()
    stage.connection.principal = NO_MORE
    await stage.watches.withdraw(stage.connection)
    assert (stage.told, stage.connection.trackers) == ([], {})


async def test_a_permission_that_is_taken_back_while_a_subscribe_waits_is_gone(stage: Stage) -> None:
    stage.connection.principal = WATCHER
    subscribing = await begun(stage)
    stage.connection.principal = NO_MORE
    await stage.watches.withdraw(stage.connection)
    stage.world.go.set()
    await subscribing
    assert stage.told == ["unsubscribed"]
    assert not stage.world.subscribed
    assert not stage.world.caught_up


@pytest.mark.parametrize(("before", "after"), [(WATCHER, NO_MORE), (NO_MORE, WATCHER)], ids=["taken", "given"])
async def test_a_subscribe_is_judged_by_the_token_it_came_under_and_by_the_newest(
    stage: Stage, before: Principal, after: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def renewed(_: object, watcher: Connection) -> None:
        watcher.principal = after

    monkeypatch.setattr(World, "settled", renewed)
    stage.connection.principal = before
    await stage.subscribe()
    assert stage.socket.frames[-1]["error"]["code"] == "NOT_FOUND"
    assert not stage.connection.trackers
