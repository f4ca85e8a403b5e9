"""An engine means by a guard exactly what `lifecycle.refuses` says, and by a change exactly what `applied` says."""

import asyncio
import dataclasses
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies

from streamer.jobs import ids, lifecycle
from streamer.jobs.lifecycle import KEEP, Guard, Transition
from streamer.jobs.model import MAX_ROUTES, Aside, Entry, Failure, Job, Kept, Progress, Status
from streamer.store.base import Refused, Store
from streamer.store.engine import Rows
from tests.support import jobs
from tests.support.index import rows_of
from tests.support.jobs import Clock
from tests.support.store import Engine

NAMES = strategies.sampled_from(["a", "b", "ab", "a#b", "ä"])
CONNECTIONS = strategies.sampled_from([f"c{number}" for number in range(MAX_ROUTES + 2)])
ROUTES = strategies.frozensets(CONNECTIONS, max_size=MAX_ROUTES + 1)
SMALL = strategies.integers(0, 3)
TIMES = strategies.integers(0, 5).map(lambda step: jobs.NOON_MS + step)
FEW_STATUSES = strategies.frozensets(strategies.sampled_from(Status), min_size=1)
METADATA = strategies.none() | strategies.just({"a": [1, None, "ä"], "b": 0.5})
PROGRESS = strategies.builds(Progress, strategies.floats(0, 100), NAMES, METADATA)
FAILURES = strategies.builds(Failure, strategies.just("CODE"), NAMES, METADATA, strategies.booleans())
KEPT = strategies.sampled_from([(), (Kept(1, 50),), (Kept(1, 50), Kept(3, 1_000_000))])
BODIES = strategies.sampled_from([b"1", b'{"a":1}', Aside("r#1", 2)])
ENTRIES = strategies.builds(
    Entry, strategies.sampled_from(["R#a#0", "T#a#0"]), strategies.sampled_from(["1#1#t#a", "2#1#t#a"])
)


def optional(values: strategies.SearchStrategy[Any]) -> strategies.SearchStrategy[Any]:
    return strategies.none() | values


FIELDS: dict[str, strategies.SearchStrategy[Any]] = {
    "tenant": NAMES,
    "user": NAMES,
    "queue": strategies.sampled_from(["q1", "q2"]),
    "payload": BODIES,
    "metadata": METADATA,
    "version": SMALL,
    "max_retries": SMALL,
    "status": strategies.sampled_from(Status),
    "attempt": SMALL,
    "retry_count": SMALL,
    "owner": optional(NAMES),
    "claim_nonce": optional(NAMES),
    "due_ms": optional(TIMES),
    "start_by_ms": optional(TIMES),
    "deadline_ms": optional(TIMES),
    "started_ms": optional(TIMES),
    "ended_ms": optional(TIMES),
    "cancel_requested_ms": optional(TIMES),
    "redriven_as": optional(NAMES),
    "entry": optional(ENTRIES),
    "seq": SMALL,
    "progress": optional(PROGRESS),
    "result": optional(BODIES),
    "error": optional(FAILURES),
    "chunks": SMALL,
    "checkpoint": optional(BODIES),
    "kept": KEPT,
    "routes": ROUTES,
    "watch_version": SMALL,
    "durable": strategies.booleans(),
}
CONDITIONS: dict[str, strategies.SearchStrategy[Any]] = {
    "principal": strategies.tuples(NAMES, NAMES),
    "attempt": SMALL,
    "owner": NAMES,
    "queue": strategies.sampled_from(["q1", "q2"]),
    "version": SMALL,
    "seq": SMALL,
    "due_by_ms": TIMES,
    "not_expired_at_ms": TIMES,
    "expired_at_ms": TIMES,
    "cancel_requested": strategies.booleans(),
    "retries_left": strategies.booleans(),
    "redriven": strategies.booleans(),
    "room_for": CONNECTIONS,
    "routes": ROUTES,
}
CHANGED = ("owner", "due_ms", "progress", "error", "result", "chunks", "checkpoint", "kept", "routes", "status")
CHANGES = {name: FIELDS[name] for name in CHANGED}
STEPS = dict.fromkeys(("attempt", "retry_count", "seq", "watch_version"), SMALL)
DEFAULTS = dict.fromkeys(("started_ms", "cancel_requested_ms", "ended_ms"), TIMES)


def some_of(fields: dict[str, strategies.SearchStrategy[Any]]) -> strategies.SearchStrategy[dict[str, Any]]:
    """Values for a few of the fields."""
    names = strategies.lists(strategies.sampled_from(sorted(fields)), unique=True, max_size=4)
    return names.flatmap(lambda chosen: strategies.fixed_dictionaries({name: fields[name] for name in chosen}))


@strategies.composite
def rows(draw: strategies.DrawFn) -> Job:
    return replace(jobs.row(), **draw(strategies.fixed_dictionaries(FIELDS)))


@strategies.composite
def guards(draw: strategies.DrawFn, job: Job) -> Guard:
    """Often near the row: each condition that is asked is as the row has it, or anything."""
    asked = draw(some_of(CONDITIONS))
    if draw(strategies.booleans()):
        near = {"principal": (job.tenant, job.user), "attempt": job.attempt, "queue": job.queue, "routes": job.routes}
        asked |= {name: value for name, value in near.items() if name in asked}
        return Guard(statuses=draw(FEW_STATUSES) | {job.status}, **asked)
    return Guard(statuses=draw(FEW_STATUSES), **asked)


@strategies.composite
def any_transition(draw: strategies.DrawFn, job: Job) -> Transition:
    sets = draw(some_of(CHANGES))
    join = draw(strategies.none() | CONNECTIONS) if "routes" not in sets else None
    entry = draw(strategies.just(KEEP) | optional(ENTRIES))
    defaults, adds = draw(some_of(DEFAULTS)), draw(some_of(STEPS))
    assume(sets or defaults or adds or join or entry is not KEEP)  # a transition that changes nothing is none
    return Transition(
        name="anything", guard=draw(guards(job)), sets=sets, defaults=defaults, adds=adds, entry=entry, join=join
    )


def real_transitions(job: Job) -> strategies.SearchStrategy[Transition]:
    """Every transition there is, made for this row or for one near it."""
    now, ttl, seq = jobs.NOON_MS + 3, 60_000, 2
    near = replace(job, attempt=max(job.attempt, 1), owner=job.owner or "a")
    made = [
        lifecycle.claim(job.job_id, job.queue, "session", "nonce", now),
        lifecycle.progress(near, Progress(12.5), seq),
        lifecycle.checkpoint(near, b'{"page":7}', seq, 60),
        lifecycle.checkpoint(near, Aside("k#1", 1), seq, 0),
        lifecycle.complete(near, b"1", seq, now, ttl, chunks=2),
        lifecycle.retry(near, jobs.OOPS, seq, now),
        lifecycle.fail(near, jobs.OOPS, seq, now, ttl),
        lifecycle.cancelled(near, jobs.OOPS, seq, now, ttl),
        lifecycle.release(near),
        lifecycle.lost(near),
        lifecycle.cancel_waiting(job.tenant, job.user, jobs.OOPS, now, ttl),
        lifecycle.request_cancel(job.tenant, job.user, now),
        lifecycle.expire(job, jobs.OOPS, "nonce", now, ttl),
        lifecycle.attach(job.tenant, job.user, "c1"),
        lifecycle.reroute(job.tenant, job.user, job.routes, frozenset({"c1"})),
        lifecycle.watched(job.tenant, job.user),
        lifecycle.redriven(job, "again"),
    ]
    return strategies.sampled_from(made)


PAIRS = rows().flatmap(lambda job: strategies.tuples(strategies.just(job), real_transitions(job) | any_transition(job)))


NOON = jobs.NOON_MS
AROUND_NOON = [NOON - 1, NOON, NOON + 1]
LATEST: list[dict[str, Any]] = [
    {"start_by_ms": start_by_ms, "deadline_ms": deadline_ms}
    for start_by_ms in (NOON, None)
    for deadline_ms in (NOON, None)
]
C1 = frozenset({"c1"})
SEVEN = frozenset(f"other{number}" for number in range(MAX_ROUTES - 1))
EIGHT = SEVEN | {"another"}

EDGES: dict[str, tuple[list[dict[str, Any]], list[Any]]] = {
    # condition: (rows, what is asked of each of them)
    "principal": ([{"tenant": "a", "user": "b"}], [("a", "b"), ("a", "c"), ("c", "b"), ("b", "a"), ("ab", "")]),
    "attempt": ([{"attempt": 1}], [0, 1, 2]),
    "owner": ([{"owner": "a"}, {"owner": None}], ["a", "b"]),
    "queue": ([{"queue": "a"}], ["a", "b"]),
    "version": ([{"version": 1}], [0, 1, 2]),
    "seq": ([{"seq": 10}], [9, 10, 11]),
    "due_by_ms": ([{"due_ms": NOON}, {"due_ms": None}], AROUND_NOON),
    "not_expired_at_ms": (LATEST, AROUND_NOON),
    "expired_at_ms": (LATEST, AROUND_NOON),
    "cancel_requested": ([{"cancel_requested_ms": NOON}, {"cancel_requested_ms": None}], [True, False]),
    "retries_left": ([{"retry_count": count, "max_retries": 1} for count in (0, 1, 2)], [True, False]),
    "redriven": ([{"redriven_as": "a"}, {"redriven_as": None}], [True, False]),
    "room_for": ([{"routes": routes} for routes in (frozenset(), C1, SEVEN, SEVEN | C1, EIGHT, EIGHT | C1)], ["c1"]),
    "routes": ([{"routes": routes} for routes in (frozenset(), C1, C1 | {"c2"})], [frozenset(), C1, frozenset({"c2"})]),
}


@pytest.mark.parametrize("condition", EDGES)
async def test_each_condition_at_its_edges(store: Store, condition: str) -> None:
    for fields in EDGES[condition][0]:
        for asked in EDGES[condition][1]:
            guard = Guard(statuses=frozenset({Status.PENDING}), **{condition: asked})
            job = jobs.row(job_id=ids.nonce(), **fields)
            await check_one(rows_of(store), job, Transition(name="edge", guard=guard, adds={"watch_version": 1}))


@pytest.mark.parametrize("status", Status)
async def test_each_status(store: Store, status: Status) -> None:
    for allowed in ({status}, set(Status) - {status}, {Status.PENDING, Status.PROCESSING, Status.RETRYING}):
        guard = Guard(statuses=frozenset(allowed))
        job = jobs.row(job_id=ids.nonce(), status=status)
        await check_one(rows_of(store), job, Transition(name="edge", guard=guard, adds={"watch_version": 1}))


def test_every_condition_and_field_is_tried() -> None:
    conditions = {field.name for field in dataclasses.fields(Guard)} - {"statuses"}
    assert conditions == CONDITIONS.keys() == EDGES.keys()
    written_once = {"job_id", "client_id", "action", "payload_hash", "created_ms", "submit_nonce", "virtual_time"}
    later = {"expires_ms", "redrive_of", "unknown"}
    assert {field.name for field in dataclasses.fields(Job)} == FIELDS.keys() | written_once | later


def test_an_engine_means_what_the_state_machine_says(engine: Engine, clock: Clock) -> None:
    @settings(max_examples=300 if engine.name == "sqlite" else 40, suppress_health_check=[HealthCheck.too_slow])
    @given(PAIRS)
    def agrees(pair: tuple[Job, Transition]) -> None:
        job, transition = pair
        runner.run(check_one(rows_of(store), replace(job, job_id=ids.nonce()), transition))

    with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
        opening = engine.open(clock=clock)
        store = runner.run(opening.__aenter__())
        try:
            agrees()
        finally:
            runner.run(opening.__aexit__(None, None, None))


async def check_one(rows: Rows, job: Job, transition: Transition) -> None:
    assert await rows.insert(job, jobs.NOON_MS) is None
    if lifecycle.refuses(transition.guard, job):
        with pytest.raises(Refused) as refused:
            await rows.update_status(job.job_id, transition)
        assert refused.value.job == job
        expected = job
    else:
        expected = lifecycle.applied(transition, job)
        assert await rows.update_status(job.job_id, transition) == expected
    assert (await rows.read([job.job_id]))[job.job_id] == expected


@pytest.mark.parametrize("transition", [lifecycle.release(jobs.row()), lifecycle.attach("t", "u", "c")])
async def test_no_row_refuses_everything(store: Store, transition: Transition) -> None:
    with pytest.raises(Refused) as refused:
        await store.requests.update_status("0" * 32, transition)
    assert refused.value.job is None
