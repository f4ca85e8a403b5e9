"""One run: why it stops, and what it learns meanwhile."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from streamer.context import Context
from streamer.jobs.model import Job, Status
from tests.support import jobs
from workers import attempt as attempt_module
from workers.attempt import Attempt, Stop


def context() -> Context:
    return Context("r1", "ann", "acme", "report")


def row(**fields: Any) -> Job:
    return replace(jobs.row_in(Status.PROCESSING), **fields)


async def value() -> int:
    return 1


async def test_a_result() -> None:
    attempt = Attempt(row())
    ending = await attempt.run(context(), value, None)
    assert (ending.result, ending.error, ending.overran, attempt.last_seq) == (1, None, False, 0)
    attempt.request(Stop.CANCEL)
    await attempt.ended()


async def test_what_was_stopped_before_it_started_does_not_start() -> None:
    attempt = Attempt(row())
    attempt.request(Stop.RELEASE)
    ending = await attempt.run(context(), value, None)
    assert isinstance(ending.error, asyncio.CancelledError)
    await Attempt(row()).ended()


async def test_fenced_overrides_and_nothing_else_does() -> None:
    attempt = Attempt(row())
    for stop, expected in (
        (Stop.CANCEL, Stop.CANCEL),
        (Stop.RELEASE, Stop.CANCEL),
        (Stop.FENCED, Stop.FENCED),
        (Stop.RELEASE, Stop.FENCED),
    ):
        attempt.request(stop)
        assert attempt.stop is expected


async def test_a_newer_row_is_learned_and_routes_only_grow() -> None:
    attempt = Attempt(row(routes=frozenset({"a"})))
    attempt.join(frozenset({"b"}))
    attempt.learn(replace(attempt.job, routes=frozenset({"a", "c"}), seq=9))
    assert (attempt.job.routes, attempt.job.seq, attempt.stop) == (frozenset({"a", "b", "c"}), 9, None)


@pytest.mark.parametrize("change", [{"attempt": 2}, {"owner": "other"}, {"status": Status.PENDING}])
async def test_a_row_that_is_not_ours_any_more(change: dict[str, Any]) -> None:
    attempt = Attempt(row())
    before = attempt.job
    attempt.learn(replace(before, **change))
    assert (attempt.stop, attempt.job) == (Stop.FENCED, before)


async def test_a_requested_cancel_is_learned() -> None:
    attempt = Attempt(row())
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

    attempt, ctx = Attempt(row()), context()
    ending = await attempt.run(ctx, stubborn, 0.01)
    assert (ending.overran, type(ending.error), ctx.cancelled) == (True, asyncio.CancelledError, True)
    attempt.request(Stop.RELEASE)
    attempt._give_up()
    go.set()
    await attempt.ended()
