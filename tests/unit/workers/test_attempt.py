"""One run: why it stops, and what it learns meanwhile."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from streamer.context import Context
from streamer.jobs.model import Job, Kept, Status
from streamer.store.base import Subscription
from tests.support import jobs
from tests.support.until import until
from workers import attempt as attempt_module
from workers.attempt import Attempt, Stop


class Subscriptions:
    """Who watches, whatever the job."""

    def __init__(self) -> None:
        self.watching: list[str] = []

    async def list_by_request(self, job_id: str) -> Sequence[Subscription]:
        return [
            Subscription(job_id=job_id, connection_id=name, tenant="acme", user="bob", expires_ms=1)
            for name in self.watching
        ]


def attempt_of(job: Job, subscriptions: Subscriptions | None = None) -> Attempt:
    parts: Any = subscriptions or Subscriptions()
    return Attempt(job, parts)


def context() -> Context:
    return Context("r1", "ann", "acme", "report")


def row(**fields: Any) -> Job:
    return replace(jobs.row_in(Status.PROCESSING), **fields)


async def value() -> int:
    return 1


async def test_a_result() -> None:
    attempt = attempt_of(row())
    ending = await attempt.run(context(), value, None)
    assert (ending.result, ending.error, ending.overran, attempt.last_seq) == (1, None, False, 0)
    attempt.request(Stop.CANCEL)
    await attempt.ended()


async def test_what_was_stopped_before_it_started_does_not_start() -> None:
    attempt = attempt_of(row())
    attempt.request(Stop.RELEASE)
    ending = await attempt.run(context(), value, None)
    assert isinstance(ending.error, asyncio.CancelledError)
    await attempt_of(row()).ended()


async def test_fenced_overrides_and_nothing_else_does() -> None:
    attempt = attempt_of(row())
    for stop, expected in (
        (Stop.CANCEL, Stop.CANCEL),
        (Stop.RELEASE, Stop.CANCEL),
        (Stop.FENCED, Stop.FENCED),
        (Stop.RELEASE, Stop.FENCED),
    ):
        attempt.request(stop)
        assert attempt.stop is expected


async def test_a_newer_row_is_learned_and_routes_only_grow() -> None:
    attempt = attempt_of(row(routes=frozenset({"a"})))
    attempt.join(frozenset({"b"}))
    attempt.learn(replace(attempt.job, routes=frozenset({"a", "c"}), seq=9))
    assert (attempt.job.routes, attempt.job.seq, attempt.stop) == (frozenset({"a", "b", "c"}), 9, None)
    assert attempt.audience == {"a", "b", "c"}


async def test_watchers_are_read_when_the_row_says_that_there_are_others() -> None:
    subscriptions = Subscriptions()
    attempt = attempt_of(row(routes=frozenset({"a"})), subscriptions)
    subscriptions.watching = ["w1", "w2"]
    attempt.learn(attempt.job)
    assert attempt.watchers._reading is None
    attempt.learn(replace(attempt.job, watch_version=1))
    await until(lambda: attempt.audience == {"a", "w1", "w2"})
    subscriptions.watching = ["w2"]
    attempt.learn(replace(attempt.job, watch_version=2))
    await until(lambda: attempt.audience == {"a", "w2"})
    attempt.close()
    await attempt.ended()


async def test_watchers_from_before_the_attempt_are_told_too() -> None:
    subscriptions = Subscriptions()
    subscriptions.watching = ["w1"]
    attempt = attempt_of(row(watch_version=1), subscriptions)
    await until(lambda: attempt.audience == {"w1"})
    attempt.close()
    await attempt.ended()


async def test_the_audience_is_the_same_object_while_nobody_comes_or_goes() -> None:
    attempt = attempt_of(row(routes=frozenset({"a"})))
    before = attempt.audience
    attempt.learn(replace(attempt.job, seq=9))
    assert attempt.audience is before


async def test_an_attempt_that_has_told_nothing_has_the_output_that_was_kept() -> None:
    assert await attempt_of(row(kept=(Kept(1, 5),))).flush() == 5


@pytest.mark.parametrize("change", [{"attempt": 2}, {"owner": "other"}, {"status": Status.PENDING}])
async def test_a_row_that_is_not_ours_any_more(change: dict[str, Any]) -> None:
    attempt = attempt_of(row())
    before = attempt.job
    attempt.learn(replace(before, **change))
    assert (attempt.stop, attempt.job) == (Stop.FENCED, before)


async def test_a_requested_cancel_is_learned() -> None:
    attempt = attempt_of(row())
    attempt.learn(replace(attempt.job, cancel_requested_ms=1))
    assert attempt.stop is Stop.CANCEL


async def test_a_handler_that_does_not_end_is_given_up_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempt_module, "STUBBORN_S", 0.01)
    go = asyncio.Event()

    async def stubborn() -> int:
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                continue
        return 7

    attempt, ctx = attempt_of(row()), context()
    ending = await attempt.run(ctx, stubborn, 0.01)
    assert (ending.overran, type(ending.error), ctx.cancelled) == (True, asyncio.CancelledError, True)
    attempt.request(Stop.RELEASE)
    attempt._give_up()
    go.set()
    await attempt.ended()
