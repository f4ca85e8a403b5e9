"""The state machine of a job: every change that a row may go through, as a value.

A `Transition` says what must hold (`Guard`) and what changes. An engine applies it to one row in one atomic,
conditional write; `refuses` and `applied` are its exact meaning, and an engine that holds rows in memory or in
SQL uses them as they are. `TRANSITIONS` is the whole table; `docs/queue.md` draws it with the same names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from streamer.jobs import dispatch, ids
from streamer.jobs.model import (
    ALIVE,
    FIRST_VERSION,
    MAX_ROUTES,
    SCHEMA_VERSION,
    WAITING,
    Body,
    Entry,
    Failure,
    Job,
    Kept,
    Progress,
    Status,
    Submission,
)

TRANSITIONS: Final[Mapping[str, tuple[frozenset[Status], Status | None]]] = {
    # name: (allowed from, leads to; None where the status stays)
    "claim": (WAITING, Status.PROCESSING),
    "progress": (frozenset({Status.PROCESSING}), None),
    "checkpoint": (frozenset({Status.PROCESSING}), None),
    "complete": (frozenset({Status.PROCESSING}), Status.COMPLETED),
    "retry": (frozenset({Status.PROCESSING}), Status.RETRYING),
    "fail": (frozenset({Status.PROCESSING}), Status.FAILED),
    "release": (frozenset({Status.PROCESSING}), Status.PENDING),
    "lost": (frozenset({Status.PROCESSING}), Status.PENDING),
    "cancel_waiting": (WAITING, Status.CANCELLED),
    "request_cancel": (frozenset({Status.PROCESSING}), None),
    "cancelled": (frozenset({Status.PROCESSING}), Status.CANCELLED),
    "expire": (WAITING, Status.FAILED),
    "attach": (ALIVE, None),
    "reroute": (ALIVE, None),
    "watched": (ALIVE, None),
    "redriven": (frozenset({Status.FAILED}), None),
}


SEQ_AFTER_LOSS: Final = 1_000_000_000
"""What giving an attempt back adds to its last stored `seq`: frames that its worker had numbered but not stored
stay below, so what is said about the job from then on sorts after them."""


class _Keep:
    """The queue entry stays as it is."""


KEEP: Final = _Keep()


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What must hold of a row for a transition to be applied; None asks nothing."""

    statuses: frozenset[Status]
    principal: tuple[str, str] | None = None  # (tenant, user) that the row must belong to
    attempt: int | None = None  # the fence: exactly this attempt
    owner: str | None = None  # exactly this worker session
    queue: str | None = None
    version: int | None = None  # the row's version is at most this
    seq: int | None = None  # the row's seq is at most this
    due_by_ms: int | None = None  # the row has no due time, or one at or before this
    not_expired_at_ms: int | None = None  # neither its latest start nor its deadline is at or before this
    expired_at_ms: int | None = None  # one of them is
    cancel_requested: bool | None = None
    retries_left: bool | None = None
    redriven: bool | None = None
    room_for: str | None = None  # this connection is among the routes, or there is room for it
    routes: frozenset[str] | None = None  # the routes are exactly these


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One atomic change of one row."""

    name: str
    guard: Guard
    sets: Mapping[str, Any] = field(default_factory=dict)  # field of Job -> new value; None clears it
    defaults: Mapping[str, Any] = field(default_factory=dict)  # set only where the field is None
    adds: Mapping[str, int] = field(default_factory=dict)  # field of Job -> increment
    entry: Entry | _Keep | None = KEEP
    join: str | None = None  # connection to add to the routes


def refuses(guard: Guard, job: Job) -> bool:
    """Whether the row does not satisfy the guard."""
    return not (
        job.status in guard.statuses
        and guard.principal in (None, (job.tenant, job.user))
        and guard.attempt in (None, job.attempt)
        and guard.owner in (None, job.owner)
        and guard.queue in (None, job.queue)
        and (guard.version is None or job.version <= guard.version)
        and (guard.seq is None or job.seq <= guard.seq)
        and (guard.due_by_ms is None or job.due_ms is None or job.due_ms <= guard.due_by_ms)
        and _in_time(guard, job)
        and guard.cancel_requested in (None, job.cancel_requested_ms is not None)
        and guard.retries_left in (None, job.retries_left)
        and guard.redriven in (None, job.redriven_as is not None)
        and _routable(guard, job)
    )


def _in_time(guard: Guard, job: Job) -> bool:
    may_start = guard.not_expired_at_ms is None or not job.expired_at(guard.not_expired_at_ms)
    return may_start and (guard.expired_at_ms is None or job.expired_at(guard.expired_at_ms))


def _routable(guard: Guard, job: Job) -> bool:
    has_room = guard.room_for is None or guard.room_for in job.routes or len(job.routes) < MAX_ROUTES
    return has_room and guard.routes in (None, job.routes)


def applied(transition: Transition, job: Job) -> Job:
    """The row after the change; the guard was checked by the caller."""
    changes: dict[str, Any] = {name: value for name, value in transition.defaults.items() if getattr(job, name) is None}
    changes.update(transition.sets)
    changes.update({name: getattr(job, name) + step for name, step in transition.adds.items()})
    if not isinstance(transition.entry, _Keep):
        changes["entry"] = transition.entry
    if transition.join is not None:
        changes["routes"] = job.routes | {transition.join}
    return replace(job, **changes)


def _guard(name: str, **conditions: Any) -> Guard:
    return Guard(statuses=TRANSITIONS[name][0], **conditions)


def _transition(name: str, guard: Guard, sets: Mapping[str, Any], **parts: Any) -> Transition:
    status = TRANSITIONS[name][1]
    changed = sets if status is None else {"status": status, **sets}
    return Transition(name=name, guard=guard, sets=changed, **parts)


# --- a job begins -------------------------------------------------------------------------------------------


def submit(submission: Submission, nonce: str, now_ms: int, virtual_time: int) -> Job:
    """The row of a new job at its place in the queue: ready at once, or a timer where a delay was asked for."""
    job = Job(
        job_id=ids.job_id(submission.tenant, submission.user, submission.client_id),
        client_id=submission.client_id,
        tenant=submission.tenant,
        user=submission.user,
        action=submission.action,
        queue=submission.queue,
        payload=submission.payload,
        payload_hash=submission.payload_hash,
        created_ms=now_ms,
        submit_nonce=nonce,
        metadata=submission.metadata,
        virtual_time=virtual_time,
        max_retries=submission.max_retries,
        durable=submission.durable,
        redrive_of=submission.redrive_of,
        due_ms=now_ms + submission.delay_ms if submission.delay_ms else None,
        start_by_ms=now_ms + submission.delay_ms + submission.start_within_ms,
        deadline_ms=None if submission.expires_in_ms is None else now_ms + submission.expires_in_ms,
        version=FIRST_VERSION if submission.expires_in_ms is None else SCHEMA_VERSION,
        routes=frozenset({submission.connection} if submission.connection else ()),
    )
    entry = dispatch.ready(job) if job.due_ms is None else dispatch.timer(job, job.due_ms)
    return replace(job, entry=entry)


def redrive(job: Job, payload: bytes, start_within_ms: int) -> Submission:
    """A dead letter as a new request of the same user; the id is derived, so a second redrive finds the first."""
    return Submission(
        tenant=job.tenant,
        user=job.user,
        client_id=f"redrive:{job.job_id}",
        action=job.action,
        queue=job.queue,
        payload=payload,
        payload_hash=job.payload_hash,
        metadata=job.metadata,
        max_retries=job.max_retries,
        durable=job.durable,
        redrive_of=job.job_id,
        start_within_ms=start_within_ms,
    )


# --- an attempt begins, reports and ends --------------------------------------------------------------------


def claim(job_id: str, queue: str, session: str, nonce: str, now_ms: int) -> Transition:
    """Start the next attempt in this worker session."""
    guard = _guard(
        "claim",
        queue=queue,
        version=SCHEMA_VERSION,
        due_by_ms=now_ms,
        not_expired_at_ms=now_ms,
        cancel_requested=False,
    )
    sets = {
        "owner": session,
        "claim_nonce": nonce,
        "seq": 0,
        "progress": None,
        "due_ms": None,
        "start_by_ms": None,
    }
    return _transition(
        "claim",
        guard,
        sets,
        defaults={"started_ms": now_ms},
        adds={"attempt": 1},
        entry=dispatch.running(job_id, queue, session, now_ms),
    )


def progress(job: Job, progress: Progress, seq: int) -> Transition:
    return _transition("progress", _owned("progress", job, seq), {"progress": progress, "seq": seq})


def checkpoint(job: Job, state: Body, seq: int, chunks: int) -> Transition:
    """The next attempt starts from `state`, and continues the first `chunks` pieces of output, all of them stored."""
    kept = tuple(each for each in job.kept if each.attempt != job.attempt)
    if chunks > (kept[-1].until if kept else 0):
        kept += (Kept(job.attempt, chunks),)
    return _transition("checkpoint", _owned("checkpoint", job, seq), {"checkpoint": state, "kept": kept, "seq": seq})


def complete(job: Job, result: Body, seq: int, now_ms: int, ttl_ms: int, *, chunks: int = 0) -> Transition:
    """The result is the outcome, even if a cancel was requested meanwhile."""
    outcome = {"result": result, "error": None, **_ended(job, seq, chunks, now_ms, ttl_ms)}
    return _transition("complete", _owned("complete", job, seq), outcome, entry=None)


def retry(job: Job, error: Failure, seq: int, due_ms: int) -> Transition:
    """The attempt failed; another one may start at `due_ms`."""
    guard = _owned("retry", job, seq, cancel_requested=False, retries_left=True)
    sets = {"owner": None, "error": error, "seq": seq, "due_ms": due_ms}
    return _transition("retry", guard, sets, adds={"retry_count": 1}, entry=dispatch.timer(job, due_ms))


def fail(job: Job, error: Failure, seq: int, now_ms: int, ttl_ms: int, *, chunks: int = 0) -> Transition:
    """The attempt failed for good; the job becomes a dead letter."""
    outcome = {"error": error, **_ended(job, seq, chunks, now_ms, ttl_ms)}
    return _transition("fail", _owned("fail", job, seq), outcome, entry=dispatch.dead(job, now_ms))


def cancelled(job: Job, error: Failure, seq: int, now_ms: int, ttl_ms: int, *, chunks: int = 0) -> Transition:
    """A running job was stopped, or its attempt ended otherwise, after its cancel was requested."""
    outcome = {"error": error, **_ended(job, seq, chunks, now_ms, ttl_ms)}
    return _transition("cancelled", _owned("cancelled", job, seq, cancel_requested=True), outcome, entry=None)


# --- an attempt is given back -------------------------------------------------------------------------------


def release(job: Job) -> Transition:
    """The worker is leaving: the job goes back to its old place, at no cost of a retry."""
    guard = _guard("release", attempt=job.attempt, owner=job.owner, cancel_requested=False)
    return _transition("release", guard, {"owner": None}, adds={"seq": SEQ_AFTER_LOSS}, entry=dispatch.ready(job))


def lost(job: Job) -> Transition:
    """The worker died: the job goes back to its old place and has one retry less."""
    guard = _guard("lost", attempt=job.attempt, owner=job.owner, cancel_requested=False, retries_left=True)
    steps = {"retry_count": 1, "seq": SEQ_AFTER_LOSS}
    return _transition("lost", guard, {"owner": None}, adds=steps, entry=dispatch.ready(job))


# --- the client, and time -----------------------------------------------------------------------------------


def cancel_waiting(tenant: str, user: str, error: Failure, now_ms: int, ttl_ms: int) -> Transition:
    guard = _guard("cancel_waiting", principal=(tenant, user))
    sets = {"error": error, "due_ms": None, **_outcome(now_ms, ttl_ms)}
    return _transition("cancel_waiting", guard, sets, adds={"seq": 1}, entry=None)


def request_cancel(tenant: str, user: str, now_ms: int) -> Transition:
    """Ask the owner to stop; its next write, or whoever gives the job back, makes it CANCELLED."""
    guard = _guard("request_cancel", principal=(tenant, user))
    return _transition("request_cancel", guard, {}, defaults={"cancel_requested_ms": now_ms})


def expire(job: Job, error: Failure, nonce: str, now_ms: int, ttl_ms: int) -> Transition:
    """Nobody started it in time, or its deadline has come; the nonce of the claim that found out tells whose outcome
    this is to send."""
    guard = _guard("expire", attempt=job.attempt, expired_at_ms=now_ms)
    sets = {"error": error, "due_ms": None, "claim_nonce": nonce, **_outcome(now_ms, ttl_ms)}
    return _transition("expire", guard, sets, adds={"seq": 1}, entry=dispatch.dead(job, now_ms))


def attach(tenant: str, user: str, connection: str) -> Transition:
    """Send what comes of this job to this connection too."""
    guard = _guard("attach", principal=(tenant, user), room_for=connection)
    return _transition("attach", guard, {}, join=connection)


def reroute(tenant: str, user: str, expected: frozenset[str], routes: frozenset[str]) -> Transition:
    """Replace the routes, if nobody else changed them meanwhile."""
    guard = _guard("reroute", principal=(tenant, user), routes=expected)
    return _transition("reroute", guard, {"routes": routes})


def watched(tenant: str, user: str) -> Transition:
    """Others began to watch this job, or ceased to: whoever sends its frames reads the subscriptions again."""
    guard = _guard("watched", principal=(tenant, user))
    return _transition("watched", guard, {}, adds={"watch_version": 1})


def redriven(job: Job, new_job_id: str) -> Transition:
    """Note on a dead letter which job runs it again, once; it leaves the list of dead letters."""
    guard = _guard("redriven", principal=(job.tenant, job.user), redriven=False)
    return _transition("redriven", guard, {"redriven_as": new_job_id}, entry=None)


def _owned(name: str, job: Job, seq: int, **conditions: Any) -> Guard:
    """The attempt is the fence; the owner tells it from that of a row that was deleted, and submitted again."""
    return _guard(name, attempt=job.attempt, owner=job.owner, seq=seq, **conditions)


def _ended(job: Job, seq: int, chunks: int, now_ms: int, ttl_ms: int) -> dict[str, Any]:
    """Who ends the attempt of a dead worker does not know its `chunks`: what was kept stands in any case."""
    standing = max(chunks, job.kept_chunks)
    return {"chunks": standing, "seq": seq, "owner": None, **_outcome(now_ms, ttl_ms)}


def _outcome(now_ms: int, ttl_ms: int) -> dict[str, Any]:
    whole_seconds = -(-(now_ms + ttl_ms) // 1000)  # DynamoDB's TTL attribute counts in seconds
    return {"ended_ms": now_ms, "expires_ms": whole_seconds * 1000}
