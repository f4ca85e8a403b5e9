from collections.abc import Callable
from dataclasses import replace

import pytest

from streamer.jobs import dispatch, ids, lifecycle
from streamer.jobs.lifecycle import SEQ_AFTER_LOSS, TRANSITIONS, Guard, Transition
from streamer.jobs.model import (
    ALIVE,
    FIRST_VERSION,
    MAX_ROUTES,
    SCHEMA_VERSION,
    TERMINAL,
    Aside,
    Job,
    Kept,
    Progress,
    Status,
)
from tests.support.jobs import DAY_MS, NOON_MS, OOPS, row, row_in, submission

LATER_MS = NOON_MS + 60_000

MAKE: dict[str, Callable[[Job], Transition]] = {
    "claim": lambda job: lifecycle.claim(job.job_id, job.queue, "session-b", "nonce-b", LATER_MS),
    "progress": lambda job: lifecycle.progress(job, Progress(50), 7),
    "checkpoint": lambda job: lifecycle.checkpoint(job, b'{"page":7}', 7, 3),
    "complete": lambda job: lifecycle.complete(job, b'"done"', 7, LATER_MS, DAY_MS, chunks=3),
    "retry": lambda job: lifecycle.retry(job, OOPS, 7, LATER_MS),
    "fail": lambda job: lifecycle.fail(job, OOPS, 7, LATER_MS, DAY_MS),
    "release": lifecycle.release,
    "lost": lifecycle.lost,
    "cancel_waiting": lambda job: lifecycle.cancel_waiting(job.tenant, job.user, OOPS, LATER_MS, DAY_MS),
    "request_cancel": lambda job: lifecycle.request_cancel(job.tenant, job.user, LATER_MS),
    "cancelled": lambda job: lifecycle.cancelled(job, OOPS, 7, LATER_MS, DAY_MS),
    "expire": lambda job: lifecycle.expire(job, OOPS, "nonce-b", LATER_MS, DAY_MS),
    "attach": lambda job: lifecycle.attach(job.tenant, job.user, "c1"),
    "reroute": lambda job: lifecycle.reroute(job.tenant, job.user, job.routes, frozenset({"c2"})),
    "watched": lambda job: lifecycle.watched(job.tenant, job.user),
    "redriven": lambda job: lifecycle.redriven(job, "j2"),
}


def ready_for(name: str, status: Status) -> Job:
    """A row in this status that satisfies whatever else the transition asks for."""
    job = row_in(status, retry_count=0)
    if name == "cancelled":
        return replace(job, cancel_requested_ms=NOON_MS)
    if name == "expire":
        return replace(job, start_by_ms=NOON_MS)
    return job


def changed(name: str, job: Job) -> Job:
    transition = MAKE[name](job)
    assert not lifecycle.refuses(transition.guard, job)
    return lifecycle.applied(transition, job)


def test_every_transition_is_made_here() -> None:
    assert MAKE.keys() == TRANSITIONS.keys()


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("name", TRANSITIONS)
def test_every_transition_from_every_status(name: str, status: Status) -> None:
    allowed, leads_to = TRANSITIONS[name]
    job = ready_for(name, status)
    transition = MAKE[name](job)
    assert transition.name == name
    assert lifecycle.refuses(transition.guard, job) is (status not in allowed)
    if status in allowed:
        assert lifecycle.applied(transition, job).status is (leads_to or status)


def test_terminal_is_terminal() -> None:
    leaving = {name for name, (allowed, leads_to) in TRANSITIONS.items() if leads_to and allowed & TERMINAL}
    assert leaving == set()


# --- submit ---------------------------------------------------------------------------------------------------


def test_a_submitted_job_is_ready_at_once() -> None:
    job = lifecycle.submit(submission(connection="c1"), "n", NOON_MS, 7)
    assert (job.status, job.attempt, job.due_ms, job.routes) == (Status.PENDING, 0, None, frozenset({"c1"}))
    assert job.job_id == ids.job_id("acme", "ann", "r1")
    assert job.entry == dispatch.ready(job)
    assert job.start_by_ms == NOON_MS + 6 * DAY_MS


def test_a_delayed_job_is_a_timer_and_has_its_time_to_start_after_the_delay() -> None:
    job = lifecycle.submit(submission(delay_ms=5_000), "n", NOON_MS, 7)
    assert job.due_ms == NOON_MS + 5_000
    assert job.entry == dispatch.timer(job, NOON_MS + 5_000)
    assert job.virtual_time == 7
    assert job.start_by_ms == NOON_MS + 5_000 + 6 * DAY_MS


def test_a_job_that_may_expire_is_not_for_workers_that_know_nothing_of_it() -> None:
    job = lifecycle.submit(submission(expires_in_ms=5_000), "n", NOON_MS, 7)
    assert (job.deadline_ms, job.version) == (NOON_MS + 5_000, SCHEMA_VERSION)
    plain = lifecycle.submit(submission(), "n", NOON_MS, 7)
    assert (plain.deadline_ms, plain.version) == (None, FIRST_VERSION)


def test_a_redrive_is_a_new_request_under_a_derived_id() -> None:
    dead = row_in(Status.FAILED, metadata={"traceparent": "x"}, durable=True, payload=Aside("p#1", 1))
    again = lifecycle.redrive(dead, b"{}", DAY_MS)
    assert (again.client_id, again.redrive_of) == (f"redrive:{dead.job_id}", dead.job_id)
    assert (again.tenant, again.user, again.action, again.queue) == (dead.tenant, dead.user, dead.action, dead.queue)
    assert (again.payload, again.payload_hash, again.durable) == (b"{}", dead.payload_hash, True)
    assert (again.metadata, again.max_retries) == (dead.metadata, dead.max_retries)
    assert ids.CLIENT_ID.fullmatch(again.client_id)


# --- an attempt -------------------------------------------------------------------------------------------------


def test_claim_starts_the_next_attempt() -> None:
    waiting = row_in(Status.RETRYING, seq=9, progress=Progress(80), due_ms=NOON_MS)
    job = changed("claim", waiting)
    assert (job.attempt, job.owner, job.claim_nonce) == (waiting.attempt + 1, "session-b", "nonce-b")
    assert (job.seq, job.progress, job.due_ms, job.start_by_ms) == (0, None, None, None)
    assert job.started_ms == NOON_MS  # the first start stays
    assert job.entry == dispatch.running(job.job_id, job.queue, "session-b", LATER_MS)


@pytest.mark.parametrize(
    "fields",
    [
        {"queue": "other"},
        {"version": SCHEMA_VERSION + 1},
        {"deadline_ms": LATER_MS},
        {"due_ms": LATER_MS + 1},
        {"start_by_ms": LATER_MS},
        {"cancel_requested_ms": NOON_MS},
    ],
)
def test_claim_refuses(fields: dict[str, object]) -> None:
    job = row(start_by_ms=None, queue="default")
    transition = MAKE["claim"](job)
    assert lifecycle.refuses(transition.guard, replace(job, **fields))  # type: ignore[arg-type]  # any field of Job


def test_claim_takes_what_is_due_now_and_may_start_a_moment_longer() -> None:
    assert changed("claim", row(due_ms=LATER_MS, start_by_ms=LATER_MS + 1)).started_ms == LATER_MS


@pytest.mark.parametrize("name", ["progress", "checkpoint", "complete", "retry", "fail", "cancelled"])
def test_an_owners_verb_is_fenced_by_attempt_and_seq(name: str) -> None:
    job = ready_for(name, Status.PROCESSING)
    guard = MAKE[name](job).guard
    assert not lifecycle.refuses(guard, replace(job, seq=7))
    assert lifecycle.refuses(guard, replace(job, seq=8))
    assert lifecycle.refuses(guard, replace(job, attempt=job.attempt + 1))


def test_progress_keeps_everything_else() -> None:
    job = row_in(Status.PROCESSING)
    assert changed("progress", job) == replace(job, progress=Progress(50), seq=7)


def test_a_checkpoint_keeps_state_and_output_and_nothing_else_changes() -> None:
    job = row_in(Status.PROCESSING)
    assert changed("checkpoint", job) == replace(job, checkpoint=b'{"page":7}', kept=(Kept(1, 3),), seq=7)


@pytest.mark.parametrize(
    ("kept", "chunks", "then"),
    [
        ((), 0, ()),  # no output yet: nothing to continue
        ((), 5, (Kept(3, 5),)),
        ((Kept(3, 5),), 9, (Kept(3, 9),)),  # the newest of an attempt replaces its earlier ones
        ((Kept(1, 5),), 5, (Kept(1, 5),)),  # the attempt has not added anything to what it continues
        ((Kept(1, 5),), 6, (Kept(1, 5), Kept(3, 6))),
        ((Kept(1, 5), Kept(2, 8)), 9, (Kept(1, 5), Kept(2, 8), Kept(3, 9))),
    ],
)
def test_what_a_checkpoint_keeps(kept: tuple[Kept, ...], chunks: int, then: tuple[Kept, ...]) -> None:
    job = row_in(Status.PROCESSING, attempt=3, kept=kept)
    after = lifecycle.applied(lifecycle.checkpoint(job, b"1", 7, chunks), job)
    assert after.kept == then
    assert after.kept_chunks == chunks


def test_what_a_checkpoint_kept_outlives_the_attempt() -> None:
    saved = changed("checkpoint", row_in(Status.PROCESSING))
    for name in ("retry", "release", "lost"):
        again = changed("claim", replace(changed(name, saved), due_ms=None))
        assert (again.checkpoint, again.kept, again.attempt) == (saved.checkpoint, saved.kept, 2)


@pytest.mark.parametrize(("told", "chunks"), [(0, 3), (3, 3), (8, 8)])
def test_an_outcome_counts_at_least_what_was_kept(told: int, chunks: int) -> None:
    """Whoever ends a dead worker's attempt does not know what it had emitted."""
    job = row_in(Status.PROCESSING, kept=(Kept(1, 3),), cancel_requested_ms=NOON_MS)
    outcomes = [
        lifecycle.complete(job, b"1", 7, LATER_MS, DAY_MS, chunks=told),
        lifecycle.fail(job, OOPS, 7, LATER_MS, DAY_MS, chunks=told),
        lifecycle.cancelled(job, OOPS, 7, LATER_MS, DAY_MS, chunks=told),
    ]
    assert [lifecycle.applied(outcome, job).chunks for outcome in outcomes] == [chunks] * 3


def test_complete_writes_the_outcome_even_where_a_cancel_was_requested() -> None:
    job = changed("complete", row_in(Status.PROCESSING, cancel_requested_ms=NOON_MS, error=OOPS))
    assert (job.result, job.error, job.chunks, job.seq) == (b'"done"', None, 3, 7)
    assert (job.owner, job.entry, job.ended_ms) == (None, None, LATER_MS)


def test_retry_costs_a_retry_and_sets_a_timer() -> None:
    job = changed("retry", row_in(Status.PROCESSING))
    assert (job.retry_count, job.due_ms, job.error, job.owner, job.ended_ms) == (1, LATER_MS, OOPS, None, None)
    assert job.entry == dispatch.timer(job, LATER_MS)


@pytest.mark.parametrize("name", ["retry", "lost"])
def test_no_retries_left(name: str) -> None:
    job = row_in(Status.PROCESSING, retry_count=1)
    assert lifecycle.refuses(MAKE[name](job).guard, job)


@pytest.mark.parametrize("name", ["retry", "release", "lost"])
def test_a_requested_cancel_keeps_a_job_from_going_on(name: str) -> None:
    job = row_in(Status.PROCESSING, cancel_requested_ms=NOON_MS)
    assert lifecycle.refuses(MAKE[name](job).guard, job)


def test_fail_makes_a_dead_letter() -> None:
    job = changed("fail", row_in(Status.PROCESSING))
    assert (job.error, job.owner, job.ended_ms) == (OOPS, None, LATER_MS)
    assert job.entry == dispatch.dead(job, LATER_MS)


def test_cancelled_needs_a_requested_cancel() -> None:
    job = row_in(Status.PROCESSING)
    assert lifecycle.refuses(MAKE["cancelled"](job).guard, job)


@pytest.mark.parametrize(("name", "cost"), [("release", 0), ("lost", 1)])
def test_a_job_given_back_goes_to_its_old_place(name: str, cost: int) -> None:
    running = row_in(Status.PROCESSING, seq=4)
    job = changed(name, running)
    assert (job.owner, job.retry_count, job.attempt) == (None, cost, running.attempt)
    assert job.entry == row().entry
    assert job.seq == 4 + SEQ_AFTER_LOSS


@pytest.mark.parametrize("name", ["release", "lost"])
@pytest.mark.parametrize("fields", [{"owner": "session-b"}, {"owner": None}, {"attempt": 2}])
def test_giving_back_is_fenced_by_owner_and_attempt(name: str, fields: dict[str, object]) -> None:
    job = row_in(Status.PROCESSING)
    assert lifecycle.refuses(MAKE[name](job).guard, replace(job, **fields))  # type: ignore[arg-type]  # any field of Job


# --- the client, and time ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cancel_waiting", "request_cancel", "attach", "reroute", "watched", "redriven"])
@pytest.mark.parametrize("stranger", [{"tenant": "evil"}, {"user": "eve"}, {"tenant": "ann", "user": "acme"}])
def test_a_clients_verb_reaches_only_its_own_rows(name: str, stranger: dict[str, str]) -> None:
    status = min(TRANSITIONS[name][0])
    job = ready_for(name, status)
    transition = MAKE[name](job)
    assert not lifecycle.refuses(transition.guard, job)
    assert lifecycle.refuses(transition.guard, replace(job, **stranger))  # type: ignore[arg-type]  # two str fields


def test_cancelling_what_waits_is_an_outcome() -> None:
    job = changed("cancel_waiting", row(due_ms=LATER_MS + 1, seq=5))
    assert (job.error, job.entry, job.due_ms, job.seq, job.ended_ms) == (OOPS, None, None, 6, LATER_MS)


def test_the_first_request_to_cancel_is_kept() -> None:
    job = changed("request_cancel", row_in(Status.PROCESSING))
    assert job.cancel_requested_ms == LATER_MS
    again = lifecycle.request_cancel(job.tenant, job.user, LATER_MS + 5)
    assert lifecycle.applied(again, job).cancel_requested_ms == LATER_MS


@pytest.mark.parametrize(("start_by_ms", "refused"), [(None, True), (LATER_MS + 1, True), (LATER_MS, False)])
def test_only_what_should_have_started_expires(start_by_ms: int | None, refused: bool) -> None:
    job = row(start_by_ms=start_by_ms)
    assert lifecycle.refuses(MAKE["expire"](job).guard, job) is refused


def test_an_expired_job_is_a_dead_letter() -> None:
    job = changed("expire", row(start_by_ms=NOON_MS))
    assert (job.error, job.seq, job.entry) == (OOPS, 1, dispatch.dead(job, LATER_MS))
    assert job.claim_nonce == "nonce-b"


@pytest.mark.parametrize("status", sorted(ALIVE))
def test_attach_adds_a_connection_once(status: Status) -> None:
    job = changed("attach", row_in(status, routes=frozenset({"c0"})))
    assert job.routes == {"c0", "c1"}
    assert changed("attach", job) == job


def test_routes_are_bounded() -> None:
    full = row(routes=frozenset(f"other{number}" for number in range(MAX_ROUTES)))
    assert lifecycle.refuses(MAKE["attach"](full).guard, full)
    among = row(routes=frozenset({"c1", *(f"other{number}" for number in range(MAX_ROUTES - 1))}))
    assert changed("attach", among) == among


def test_reroute_replaces_only_the_routes_it_saw() -> None:
    job = row(routes=frozenset({"c1"}))
    assert changed("reroute", job).routes == {"c2"}
    assert lifecycle.refuses(MAKE["reroute"](job).guard, replace(job, routes=frozenset()))


@pytest.mark.parametrize("status", sorted(ALIVE))
def test_a_change_of_watchers_is_counted(status: Status) -> None:
    job = row_in(status, watch_version=4)
    assert changed("watched", job) == replace(job, watch_version=5)


def test_a_dead_letter_is_redriven_once() -> None:
    job = changed("redriven", row_in(Status.FAILED))
    assert (job.status, job.redriven_as, job.entry) == (Status.FAILED, "j2", None)
    assert lifecycle.refuses(MAKE["redriven"](job).guard, job)


@pytest.mark.parametrize("name", ["complete", "fail", "cancelled", "cancel_waiting", "expire"])
@pytest.mark.parametrize("odd_ms", [0, 1, 999])
def test_an_outcome_expires_on_a_whole_second_never_early(name: str, odd_ms: int) -> None:
    allowed = TRANSITIONS[name][0]
    job = ready_for(name, min(allowed))
    transition = MAKE[name](job)
    assert job.expires_ms is None
    assert lifecycle.applied(transition, job).expires_ms == LATER_MS + DAY_MS
    odd = lifecycle.cancel_waiting("acme", "ann", OOPS, NOON_MS + odd_ms, DAY_MS).sets["expires_ms"]
    assert odd % 1000 == 0
    assert odd >= NOON_MS + odd_ms + DAY_MS


def test_a_guard_that_asks_nothing_refuses_nothing_of_its_statuses() -> None:
    assert not any(lifecycle.refuses(Guard(statuses=frozenset(Status)), row_in(status)) for status in Status)
