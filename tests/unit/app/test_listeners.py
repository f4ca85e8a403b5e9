import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from app import chore
from app import listeners as listening
from app.connection import Connection
from app.hub import Hub
from app.listeners import Listeners
from app.registrar import Registrar
from streamer.errors import StoreUnavailable
from streamer.jobs.model import MAX_ROUTES, Job, Status
from streamer.protocol.messages import Seen
from streamer.store.base import Connection as Row
from streamer.store.base import ConnectionStore, RequestQueue, RoutesFull, Subscription, SubscriptionStore
from streamer.telemetry.metrics import Metrics
from tests.support.until import until
from tests.unit.app.parts import Socket, connection, job


@dataclass
class Store:
    """One job, its subscriptions, and the connections that have rows."""

    row: Job
    bound: dict[str, Row] = field(default_factory=dict)
    subscribed: dict[tuple[str, str], Subscription] = field(default_factory=dict)
    kept: list[str] = field(default_factory=list)
    others: int = 0  # reroutes that somebody else was faster with
    away: bool = False
    calls: int = 0

    def _answer(self) -> None:
        self.calls += 1
        if self.away:
            raise StoreUnavailable

    def keep(self, connection_id: str) -> None:
        self.kept.append(connection_id)

    async def attach(self, job_id: str, tenant: str, user: str, name: str) -> Job:
        assert (job_id, tenant, user) == (self.row.job_id, "t1", "ann")
        if len(self.row.routes) >= MAX_ROUTES:
            raise RoutesFull(self.row)
        self.row = replace(self.row, routes=self.row.routes | {name})
        return self.row

    async def reroute(self, row: Job, routes: frozenset[str]) -> Job:
        if self.others:
            self.others -= 1
        else:
            self.row = replace(row, routes=routes)
        return self.row

    async def watched(self, _: Job) -> Job:
        self._answer()
        self.row = replace(self.row, watch_version=self.row.watch_version + 1)
        return self.row

    async def get(self, job_id: str) -> Job | None:
        return self.row if job_id == self.row.job_id else None

    async def get_many(self, names: Collection[str]) -> Mapping[str, Row]:
        return {name: self.bound[name] for name in names if name in self.bound}

    async def subscribe(self, subscription: Subscription) -> None:
        self.subscribed[subscription.job_id, subscription.connection_id] = subscription

    async def unsubscribe(self, job_id: str, names: Collection[str]) -> None:
        self._answer()
        for name in names:
            self.subscribed.pop((job_id, name), None)


class Stage:
    def __init__(self, *routes: str) -> None:
        self.hub = Hub(Metrics())
        self.store = Store(replace(job(), routes=frozenset(routes)))
        self.listeners = Listeners(
            node_id="n1",
            hub=self.hub,
            registrar=cast("Registrar", self.store),
            requests=cast("RequestQueue", self.store),
            connections=cast("ConnectionStore", self.store),
            subscriptions=cast("SubscriptionStore", self.store),
            clock=lambda: 1_000,
        )

    @property
    def row(self) -> Job:
        return self.store.row

    def connected(self, name: str = "n1.c") -> Connection:
        """A connection here, that waits for the job."""
        made = connection(Socket(), name=name)
        made.resume(self.row.job_id, Seen("r1"))
        self.hub.add(made)
        return made

    def gone(self, made: Connection) -> None:
        self.hub.remove(made)
        self.listeners.leave(made)


def bound(name: str, node_id: str = "n1", reconnects: int = 0) -> Row:
    return Row(
        connection_id=name,
        node_id=node_id,
        tenant="t1",
        user="ann",
        connected_ms=0,
        last_ping_ms=0,
        reconnects=reconnects,
    )


EIGHT = [f"n2.{number}" for number in range(MAX_ROUTES)]


async def test_the_row_names_who_listens_while_there_is_room() -> None:
    stage = Stage("n2.0")
    assert (await stage.listeners.attach(stage.connected(), stage.row)).routes == {"n2.0", "n1.c"}
    assert stage.store.kept == ["n1.c"]
    assert not stage.store.subscribed


async def test_who_is_gone_makes_room() -> None:
    stage = Stage(*EIGHT)
    stage.connected("n2.0")
    stage.store.bound = {name: bound(name) for name in EIGHT[:4]}
    row = await stage.listeners.attach(stage.connected(), stage.row)
    assert row.routes == {*EIGHT[:4], "n1.c"}
    assert not stage.store.subscribed


@pytest.mark.parametrize("others", [0, 9])
async def test_where_there_is_no_room_a_subscription_is_as_good(others: int) -> None:
    stage = Stage(*EIGHT)
    stage.store.others = others  # all are there, or others change the row again and again
    stage.store.bound = {} if others else {name: bound(name) for name in EIGHT}
    row = await stage.listeners.attach(stage.connected(), stage.row)
    assert row.watch_version == 1
    (made,) = stage.store.subscribed.values()
    assert (made.connection_id, made.tenant, made.user, made.expires_ms) == ("n1.c", "t1", "ann", 604_801_000)


async def test_what_could_not_be_noted_is_taken_off_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chore, "FIRST_BACK_OFF_S", 0.0)
    stage = Stage()
    stage.store.away = True
    with pytest.raises(StoreUnavailable):
        await stage.listeners.subscribe(stage.connected(), stage.row)
    assert stage.store.subscribed
    task = asyncio.create_task(stage.listeners.run(), name="listeners")
    await until(lambda: stage.store.calls >= 3)
    stage.store.away = False
    await until(lambda: not stage.store.subscribed)
    task.cancel()
    await asyncio.wait([task])


async def test_a_socket_that_goes_while_it_subscribes_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage()
    made = stage.connected()
    watched = stage.store.watched

    async def meanwhile(row: Job) -> Job:
        stage.gone(made)
        return await watched(row)

    monkeypatch.setattr(stage.store, "watched", meanwhile)
    await stage.listeners.subscribe(made, stage.row)
    await stage.listeners.flush()
    assert not stage.store.subscribed
    assert not stage.listeners._subscribed


async def test_a_subscription_is_made_anew_before_its_removal() -> None:
    stage = Stage()
    made = stage.connected()
    await stage.listeners.subscribe(made, stage.row)
    stage.store.away = True
    with pytest.raises(StoreUnavailable):
        await stage.listeners.unsubscribe(made, stage.row.job_id)
    stage.store.away = False
    await stage.listeners.subscribe(made, stage.row)
    await stage.listeners.flush()
    assert stage.store.subscribed


async def test_a_connection_that_waits_for_nothing_more_has_nothing_to_remove() -> None:
    stage = Stage()
    made = stage.connected()
    await stage.listeners.subscribe(made, stage.row)
    made.trackers.clear()
    stage.gone(made)
    await stage.listeners.flush()
    assert stage.store.calls == 1


@pytest.mark.parametrize(
    ("row", "is_kept"),
    [(None, False), (bound("n1.c"), False), (bound("n1.c", "n2", 1), True), (bound("n1.c", "n1", 1), True)],
)
async def test_what_has_moved_is_left_alone(row: Row | None, is_kept: bool) -> None:
    stage = Stage()
    made = stage.connected()
    await stage.listeners.subscribe(made, stage.row)
    stage.store.bound = {} if row is None else {"n1.c": row}
    stage.gone(made)
    await stage.listeners.flush()
    assert bool(stage.store.subscribed) is is_kept


async def test_what_waits_to_be_removed_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "MAX_LEFT", 2)
    stage = Stage()
    for number in range(3):
        made = stage.connected(f"n1.{number}")
        await stage.listeners.subscribe(made, stage.row)
        stage.gone(made)
    await stage.listeners.flush()
    assert [name for _, name in stage.store.subscribed] == ["n1.0"]


async def test_a_job_that_is_gone_has_no_row_to_show() -> None:
    stage = Stage()
    assert await stage.listeners.unsubscribe(stage.connected(), "another") is None
    assert (await stage.listeners.unsubscribe(stage.connected(), stage.row.job_id)) == stage.row


async def test_a_job_that_ends_meanwhile_leaves_no_subscription(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever sent its outcome had listed the subscriptions before."""
    stage = Stage()
    ended = replace(stage.row, status=Status.COMPLETED)

    async def refused(_: Job) -> Job:
        return ended

    monkeypatch.setattr(stage.store, "watched", refused)
    assert await stage.listeners.subscribe(stage.connected(), stage.row) == ended
    assert stage.store.subscribed
    await stage.listeners.flush()
    assert not stage.store.subscribed
