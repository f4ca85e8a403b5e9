"""Nodes tell who listens, and ask how much output there is."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from streamer.jobs.model import Job, Status
from streamer.store.base import Chunk, Subscription
from streamer.telemetry.metrics import Metrics
from tests.support import jobs
from workers.attempt import Attempt
from workers.listeners import Listeners
from workers.progress import Pace
from workers.reporter import AttemptReporter
from workers.slots import Slots


class World:
    """Slots with attempts, their store, and a courier."""

    def __init__(self) -> None:
        self.slots = Slots(5, Metrics())
        self.log: list[Chunk] = []
        self.learned: dict[str, str] = {}
        self.watching: list[str] = []
        self.is_behind: set[str] = set()  # jobs whose log takes nothing
        self.sent: list[tuple[int, frozenset[str]]] = []
        parts: Any = self
        self.listeners = Listeners(self.slots, parts, within_s=0.1)

    def attempt(self, name: str, **fields: Any) -> Attempt:
        parts: Any = self
        attempt = Attempt(replace(jobs.row_in(Status.PROCESSING), job_id=name, **fields), parts)
        attempt.reporter = AttemptReporter(
            attempt, requests=parts, events=parts, courier=parts, pace=Pace(0, 0), batch_s=3600
        )
        self.slots.attempts[name] = attempt
        return attempt

    def learn(self, nodes: Mapping[str, str]) -> None:
        self.learned |= nodes

    def send(self, _job: Job, _kind: str, _seq: int, _frame: bytes, *, to: frozenset[str], chunks: int) -> None:
        self.sent.append((chunks, to))

    async def append_events(self, job: Job, chunks: Sequence[Chunk]) -> None:
        if job.job_id in self.is_behind:
            await asyncio.Event().wait()
        self.log += chunks

    async def list_by_request(self, job_id: str) -> Sequence[Subscription]:
        return [
            Subscription(job_id=job_id, connection_id=name, tenant="t", user="u", expires_ms=1)
            for name in self.watching
        ]


@pytest.fixture
async def world() -> AsyncIterator[World]:
    world = World()
    yield world
    for attempt in world.slots.attempts.values():
        attempt.close()
        await attempt.ended()


def emit(attempt: Attempt, count: int) -> None:
    assert attempt.reporter is not None
    for _ in range(count):
        attempt.reporter.emit(b"1")


async def test_what_was_emitted_is_stored_and_what_follows_goes_to_the_new_ones(world: World) -> None:
    attempt = world.attempt("a", routes=frozenset({"n1.a"}))
    emit(attempt, 2)
    assert await world.listeners.join([{"id": "a", "routes": ["n2.b"], "at": {"n2.b": "n3"}}]) == {"a": 2}
    emit(attempt, 1)
    assert [chunk.index for chunk in world.log] == [0, 1]
    assert world.sent[-1] == (2, frozenset({"n1.a", "n2.b"}))
    assert world.learned == {"n2.b": "n3"}


async def test_watchers_are_read_where_a_node_says_that_there_are_new_ones(world: World) -> None:
    attempt = world.attempt("a")
    world.watching = ["n2.w"]
    assert await world.listeners.join([{"id": "a", "routes": []}]) == {"a": 0}
    assert attempt.audience == frozenset()
    assert await world.listeners.join([{"id": "a", "routes": [], "at": {}, "watched": True}]) == {"a": 0}
    assert attempt.audience == {"n2.w"}


async def test_a_log_that_is_behind_is_not_waited_for(world: World) -> None:
    for name in ("a", "b"):
        emit(world.attempt(name), 1)
    world.is_behind = {"a"}
    arrivals = [{"id": name, "routes": ["n1.x"]} for name in ("a", "b", "elsewhere")]
    assert await world.listeners.join(arrivals) == {"b": 1}
    assert world.slots.attempts["a"].audience == {"n1.x"}


async def test_an_attempt_that_is_over_is_left_out(world: World) -> None:
    attempt = world.attempt("a")
    emit(attempt, 1)
    attempt.close()
    assert await world.listeners.join([{"id": "a", "routes": []}]) == {}


async def test_nothing_runs_here(world: World) -> None:
    assert await world.listeners.join([{"id": "a", "routes": []}]) == {}
    assert await world.listeners.join([]) == {}


@pytest.mark.parametrize("told", [{}, {"id": "a"}, {"id": "a", "routes": 1}, {"id": "a", "routes": [], "at": 1}, "a"])
async def test_a_malformed_call_lets_nobody_in(world: World, told: Any) -> None:
    attempt = world.attempt("a")
    with pytest.raises((KeyError, TypeError, ValueError)):
        await world.listeners.join([{"id": "a", "routes": ["n1.x"]}, told])
    assert attempt.audience == frozenset()
