"""Who hears of a job, and where they are."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from streamer.cluster import audience as audience_module
from streamer.cluster.audience import Whereabouts, audience
from streamer.errors import StoreUnavailable
from streamer.store.base import Subscription
from tests.support import jobs

JOB = replace(jobs.row(), routes=frozenset({"n1.a", "n2.b"}))
WATCHED = replace(JOB, watch_version=3)


class Subscriptions:
    """The watchers of `JOB`."""

    def __init__(self, *watchers: str, error: Exception | None = None) -> None:
        self.reads = 0
        self._watchers = watchers
        self._error = error

    async def subscribe(self, subscription: Subscription) -> None:
        raise NotImplementedError

    async def unsubscribe(self, job_id: str, connection_ids: object) -> None:
        raise NotImplementedError

    async def list_by_request(self, job_id: str) -> Sequence[Subscription]:
        self.reads += 1
        if self._error is not None:
            raise self._error
        return [
            Subscription(job_id=job_id, connection_id=name, tenant="acme", user="bob", expires_ms=1)
            for name in self._watchers
        ]


async def test_a_job_that_nobody_watches_costs_no_read() -> None:
    subscriptions = Subscriptions("n3.c")
    assert await audience(JOB, subscriptions) is JOB.routes
    assert subscriptions.reads == 0


async def test_watchers_hear_of_it_too() -> None:
    assert await audience(WATCHED, Subscriptions("n3.c", "n1.a")) == {"n1.a", "n2.b", "n3.c"}


async def test_watchers_may_have_left() -> None:
    assert await audience(WATCHED, Subscriptions()) == JOB.routes


async def test_without_the_store_those_on_the_row_still_hear_of_it() -> None:
    with capture_logs() as events:
        assert await audience(WATCHED, Subscriptions(error=StoreUnavailable("away"))) == JOB.routes
    assert events == [
        {"event": "watchers_not_read", "log_level": "warning", "job_id": JOB.job_id, "reason": "away"},
    ]


# --- where they are -------------------------------------------------------------------------------------------

ALL = frozenset({"n1.b", "n2.c", "n1.a"})


def places(where: Whereabouts, connections: frozenset[str] = ALL) -> dict[str, list[str]]:
    return {group.node: list(group.connections) for group in where.groups(connections)}


def test_connections_are_where_they_were_born() -> None:
    assert places(Whereabouts()) == {"n1": ["n1.a", "n1.b"], "n2": ["n2.c"]}


def test_a_group_is_encoded_once() -> None:
    where = Whereabouts()
    first = where.groups(ALL)
    assert where.groups(frozenset(sorted(ALL))) is first
    assert first[0].encoded == b'["n1.a","n1.b"]'


def test_they_are_grouped_anew_when_one_is_found_elsewhere() -> None:
    where = Whereabouts()
    places(where)
    where.found("n1.a", "n2")
    assert places(where) == {"n1": ["n1.b"], "n2": ["n1.a", "n2.c"]}
    where.found("n1.a", "n3")
    assert places(where)["n3"] == ["n1.a"]
    where.found("n1.a", "n1")
    assert places(where) == {"n1": ["n1.a", "n1.b"], "n2": ["n2.c"]}


def test_and_when_one_is_lost_that_had_moved() -> None:
    where = Whereabouts()
    where.found("n1.a", "n2")
    assert places(where)["n2"] == ["n1.a", "n2.c"]
    where.lost("n1.a", 0.0)
    assert places(where) == {"n1": ["n1.a", "n1.b"], "n2": ["n2.c"]}


def test_but_not_for_what_was_known() -> None:
    where = Whereabouts()
    where.found("n1.a", "n2")
    before = where.groups(ALL)
    where.found("n1.a", "n2")
    where.found("n1.b", "n1")
    where.lost("n1.b", 0.0)
    assert where.groups(ALL) is before


def test_hope_returns_after_a_while_or_when_it_is_found() -> None:
    where = Whereabouts()
    where.lost("n1.a", 10.0)
    assert not where.is_hopeful("n1.a", 10.0 + audience_module.LOST_FOR_S / 2)
    assert where.is_hopeful("n1.a", 10.0 + audience_module.LOST_FOR_S)
    where.found("n1.a", "n1")
    assert where.is_hopeful("n1.a", 10.0)


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_module, "MAX_MOVED", 2)
    where = Whereabouts()
    for name in ("n1.a", "n1.b", "n1.c"):
        where.found(name, "n2")
        where.lost(f"lost.{name}", 1.0)
    assert places(where, frozenset({"n1.a", "n1.b", "n1.c"})) == {"n1": ["n1.a"], "n2": ["n1.b", "n1.c"]}
    assert where.is_hopeful("lost.n1.a", 1.0)
    assert not where.is_hopeful("lost.n1.c", 1.0)


def test_grouped_audiences_are_bounded_by_their_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audience_module, "MAX_GROUPED", 4)
    where = Whereabouts()
    first, small = where.groups(ALL), frozenset({"n1.z"})
    where.groups(small)
    assert where.groups(ALL) is first
    where.groups(frozenset({"n1.y"}))
    assert where.groups(ALL) is not first
    assert places(where, small) == {"n1": ["n1.z"]}
