"""The verbs of the queue, the same on every engine: build a transition, apply it, settle what was refused."""

import contextlib
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from streamer.errors import DuplicateRequest, Fenced, NotFound, PayloadTooLarge, ResultTooLarge
from streamer.jobs import dispatch, ids, lifecycle
from streamer.jobs.dispatch import Candidate, Kind
from streamer.jobs.lifecycle import SEQ_AFTER_LOSS, Transition
from streamer.jobs.model import ALIVE, WAITING, Aside, Body, Failure, Job, Progress, Status, Submission
from streamer.store.admin import JobPage
from streamer.store.base import Enqueued, Inbox, Refused, RoutesFull, Turnstile
from streamer.store.engine import Rows
from streamer.store.listing import Listing
from streamer.store.looking import Backlog

PART_BYTES: Final = 350_000
"""Of one side item; a DynamoDB item holds 400 KB in all."""
MAX_BODY_BYTES: Final = 1 << 20
"""Of a payload or a result, as JSON."""
SIDE_ITEM_TTL_MS: Final = 30 * 86_400_000
"""Payloads outlive the longest queue time-out, and their dead letters."""
_COUNT_LIMIT: Final = 1_000

WORKER_LOST: Final = Failure("WORKER_LOST", "The worker that ran this request died, and no retries are left.")
CANCELLED: Final = Failure("CANCELLED", "The request was cancelled.")
EXPIRED: Final = Failure("TIMEOUT", "The request waited too long to be started.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """How long outcomes are kept, in milliseconds."""

    outcome_ms: int = 7 * 86_400_000
    dead_letter_ms: int = 14 * 86_400_000


class JobQueue:
    """`RequestQueue` over an engine's `Rows`. `clock` gives Unix milliseconds."""

    def __init__(
        self, rows: Rows, *, inbox: Inbox, turns: Turnstile, clock: Callable[[], int], retention: Retention
    ) -> None:
        self._rows = rows
        self._inbox = inbox
        self._turns = turns
        self._clock = clock
        self._retention = retention

    # --- submit and read ------------------------------------------------------------------------------------

    async def enqueue(self, submission: Submission) -> Enqueued:
        if len(submission.payload) > MAX_BODY_BYTES:
            raise PayloadTooLarge
        nonce = ids.nonce()
        is_ready = submission.delay_ms == 0
        place = await self._turns.next(submission.queue, submission.tenant, submission.priority, is_counted=is_ready)
        now = self._clock()
        job = lifecycle.submit(submission, nonce, now, place)
        if not self._rows.fits(job):
            # named by its bytes: a duplicate with its keys in another order must not replace what the winner reads
            name = f"p#{ids.content_hash(submission.payload)}"
            aside = await self._put_aside(job.job_id, name, submission.payload)
            job = replace(job, payload=aside)
        if submission.durable:  # before the row: an entry without one is passed over, a row without its entry is lost
            await self._inbox.add(job.tenant, job.user, job.job_id)
        present = await self._rows.insert(job, now)
        if present is None:
            return Enqueued(job, created=True)
        if (present.tenant, present.user) != (job.tenant, job.user):
            raise DuplicateRequest
        if present.submit_nonce == nonce:  # the answer to an earlier try of this very write was lost
            return Enqueued(present, created=True)
        return Enqueued(await self._join(present, submission), created=False)

    async def _join(self, present: Job, submission: Submission) -> Job:
        if (present.action, present.payload_hash) != (submission.action, submission.payload_hash):
            raise DuplicateRequest
        if submission.connection is None or present.finished or submission.connection in present.routes:
            return present
        return await self.attach(present.job_id, present.tenant, present.user, submission.connection)

    async def get(self, job_id: str) -> Job | None:
        return (await self.get_many([job_id])).get(job_id)

    async def get_many(self, job_ids: Collection[str]) -> Mapping[str, Job]:
        now = self._clock()
        rows = await self._rows.read(job_ids)
        return {key: job for key, job in rows.items() if job.expires_ms is None or job.expires_ms > now}

    async def load(self, job: Job, body: Body) -> bytes:
        if not isinstance(body, Aside):
            return body
        parts = await self._rows.get_aside(job.job_id, body)
        if parts is None:
            raise NotFound("The stored content of this request is gone.")
        return zlib.decompress(b"".join(parts))

    async def _put_aside(self, job_id: str, name: str, body: bytes) -> Aside:
        packed = zlib.compress(body, 1)
        parts = [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]
        await self._rows.put_aside(job_id, name, parts, self._clock() + SIDE_ITEM_TTL_MS)
        return Aside(name, len(parts))

    async def update_status(self, job_id: str, transition: Transition) -> Job:
        return await self._rows.update_status(job_id, transition)

    # --- an attempt -----------------------------------------------------------------------------------------

    async def claim(self, job_id: str, queue: str, session: str) -> Job | None:
        nonce = ids.nonce()
        now = self._clock()
        try:
            claimed = await self._rows.update_status(job_id, lifecycle.claim(job_id, queue, session, nonce, now))
        except Refused as refused:
            return None if refused.job is None else await self._refused_claim(refused.job, nonce, now)
        self._turns.served(queue, claimed.virtual_time)
        return claimed

    async def _refused_claim(self, present: Job, nonce: str, now: int) -> Job | None:
        if present.claim_nonce == nonce:  # applied, and its answer was lost
            return present if present.status is Status.PROCESSING else None
        if present.status in WAITING and present.cancel_requested_ms is None and present.expired_at(now):
            return await self._expire(present, nonce, now)
        return None

    async def _expire(self, job: Job, nonce: str, now: int) -> Job | None:
        try:
            return await self._apply(lifecycle.expire(job, EXPIRED, nonce, now, self._retention.dead_letter_ms), job)
        except Refused as refused:  # another claim was faster, or the answer to this very write was lost
            return refused.job if refused.job is not None and refused.job.claim_nonce == nonce else None

    async def save_progress(self, job: Job, progress: Progress, seq: int) -> Job:
        try:
            return await self._apply(lifecycle.progress(job, progress, seq), job)
        except Refused as refused:
            present = refused.job
            if present is None or not _is_same_attempt(present, job):
                raise Fenced from refused
            return present

    async def save_checkpoint(self, job: Job, state: bytes, seq: int, *, chunks: int = 0) -> Job:
        if len(state) > MAX_BODY_BYTES:
            raise PayloadTooLarge("The checkpoint is too big.")
        body: Body = state
        if not self._rows.fits(replace(job, checkpoint=state)):
            body = await self._put_aside(job.job_id, f"k#{ids.content_hash(state)}", state)
        while True:  # progress with a later number may come between; that happens every 2 s at most
            try:
                return await self._apply(lifecycle.checkpoint(job, body, seq, chunks), job)
            except Refused as refused:
                present = refused.job
                if present is None or not _is_same_attempt(present, job):
                    raise Fenced from refused
            seq = present.seq

    async def complete(self, job: Job, result: bytes, seq: int, *, chunks: int = 0) -> Job:
        if len(result) > MAX_BODY_BYTES:
            raise ResultTooLarge
        now = self._clock()
        body: Body = result
        if not self._rows.fits(replace(job, result=result, status=Status.COMPLETED, owner=None)):
            body = await self._put_aside(job.job_id, f"r#{job.attempt}", result)
        transition = lifecycle.complete(job, body, seq, now, self._retention.outcome_ms, chunks=chunks)
        return await self._settle(job, transition)

    async def retry(self, job: Job, error: Failure, seq: int, due_ms: int, *, chunks: int = 0) -> Job:
        is_pointless = job.deadline_ms is not None and due_ms >= job.deadline_ms
        if is_pointless or not job.retries_left:
            return await self._fail_or_cancel(job, error, seq, chunks=chunks)
        return await self._settle(job, lifecycle.retry(job, error, seq, due_ms), seq=seq, chunks=chunks)

    async def fail(self, job: Job, error: Failure, seq: int, *, chunks: int = 0) -> Job:
        now = self._clock()
        ttl_ms = self._retention.dead_letter_ms
        return await self._settle(job, lifecycle.fail(job, error, seq, now, ttl_ms, chunks=chunks))

    async def cancelled(self, job: Job, seq: int, *, chunks: int = 0) -> Job:
        now = self._clock()
        ttl_ms = self._retention.outcome_ms
        return await self._settle(job, lifecycle.cancelled(job, CANCELLED, seq, now, ttl_ms, chunks=chunks))

    async def release(self, job: Job) -> Job:
        return await self._settle(job, lifecycle.release(job), seq=job.seq + SEQ_AFTER_LOSS)

    async def lost(self, job: Job) -> Job:
        seq = job.seq + SEQ_AFTER_LOSS
        if not job.retries_left:
            return await self._fail_or_cancel(job, WORKER_LOST, seq)
        return await self._settle(job, lifecycle.lost(job), seq=seq)

    async def _fail_or_cancel(self, job: Job, error: Failure, seq: int, *, chunks: int = 0) -> Job:
        ttl_ms = self._retention.dead_letter_ms
        failing = lifecycle.fail(job, error, seq, self._clock(), ttl_ms, chunks=chunks)
        unless_cancelled = replace(failing, guard=replace(failing.guard, cancel_requested=False))
        return await self._settle(job, unless_cancelled, seq=seq, chunks=chunks)

    async def _settle(self, job: Job, transition: Transition, *, seq: int | None = None, chunks: int = 0) -> Job:
        """Applies what ends an attempt. Where it was refused, the row tells why:

        it has an outcome, or went where this transition leads: ours, its answer was lost, or as good as ours;
        a cancel was requested and the attempt is still ours: it becomes CANCELLED (`seq` numbers that outcome);
        anything else: the attempt belongs to somebody else, or to nobody.
        """
        try:
            return await self._apply(transition, job)
        except Refused as refused:
            present = refused.job
            if present is None or present.attempt != job.attempt:
                raise Fenced from refused
            if present.finished or present.status is transition.sets["status"]:
                return present
            if present.cancel_requested_ms is not None and present.owner == job.owner and seq is not None:
                return await self.cancelled(present, max(seq, present.seq), chunks=chunks)
            raise Fenced from refused

    async def _apply(self, transition: Transition, job: Job) -> Job:
        return await self._rows.update_status(job.job_id, transition)

    # --- the client -----------------------------------------------------------------------------------------

    async def cancel(self, tenant: str, user: str, client_id: str) -> Job:
        job_id = ids.job_id(tenant, user, client_id)
        while True:  # the job may move between waiting and running under our hands; it cannot do so for long
            now = self._clock()
            waiting = lifecycle.cancel_waiting(tenant, user, CANCELLED, now, self._retention.outcome_ms)
            try:
                return await self._rows.update_status(job_id, waiting)
            except Refused as refused:
                present = self._own(refused.job, tenant, user)
            if present.status is Status.PROCESSING:
                try:
                    return await self._rows.update_status(job_id, lifecycle.request_cancel(tenant, user, now))
                except Refused as refused:
                    present = self._own(refused.job, tenant, user)
            if present.finished:
                return present

    async def attach(self, job_id: str, tenant: str, user: str, connection: str) -> Job:
        try:
            return await self._rows.update_status(job_id, lifecycle.attach(tenant, user, connection))
        except Refused as refused:
            present = self._own(refused.job, tenant, user)
            if present.finished:
                return present
            raise RoutesFull(present) from refused

    async def watched(self, job: Job) -> Job:
        try:
            return await self._apply(lifecycle.watched(job.tenant, job.user), job)
        except Refused as refused:
            return self._own(refused.job, job.tenant, job.user)

    async def reroute(self, job: Job, routes: frozenset[str]) -> Job:
        transition = lifecycle.reroute(job.tenant, job.user, job.routes, routes)
        try:
            return await self._rows.update_status(job.job_id, transition)
        except Refused as refused:
            return self._own(refused.job, job.tenant, job.user)

    def _own(self, job: Job | None, tenant: str, user: str) -> Job:
        if job is None or (job.tenant, job.user) != (tenant, user):
            raise NotFound
        if job.expires_ms is not None and job.expires_ms <= self._clock():
            raise NotFound
        return job

    async def redrive(self, job_id: str) -> Job:
        dead = await self.get(job_id)
        if dead is None or dead.status is not Status.FAILED:
            raise NotFound("There is no dead letter of this id.")
        payload = await self.load(dead, dead.payload)
        again = lifecycle.redrive(dead, payload, SIDE_ITEM_TTL_MS)
        enqueued = await self.enqueue(again)
        with contextlib.suppress(Refused):  # noted by another redrive, which made the same new job
            await self._apply(lifecycle.redriven(dead, enqueued.job.job_id), dead)
        return enqueued.job

    # --- looking --------------------------------------------------------------------------------------------

    async def ready(self, queue: str, shard: int, limit: int, *, after: str | None = None) -> Sequence[Candidate]:
        return await self._candidates(dispatch.partition(Kind.READY, queue, shard), limit, after=after)

    async def due(
        self, queue: str, shard: int, limit: int, *, after: str | None = None, within_ms: int = 0
    ) -> Sequence[Candidate]:
        by = dispatch.up_to(self._clock() + within_ms)
        return await self._candidates(dispatch.partition(Kind.TIMER, queue, shard), limit, by, after=after)

    async def _candidates(
        self, partition: str, limit: int, up_to: str | None = None, *, after: str | None = None
    ) -> list[Candidate]:
        if after is not None and up_to is not None and after >= up_to:  # a clock that went back; DynamoDB refuses it
            return []
        entries = await self._rows.entries(partition, limit=limit, up_to=up_to, after=after)
        return [dispatch.candidate(job_id, entry) for job_id, entry in entries]

    async def count_waiting(self, queue: str, tenant: str, limit: int) -> int:
        count = 0
        for kind in (Kind.READY, Kind.TIMER):
            for shard in range(dispatch.SHARDS):
                partition = dispatch.partition(kind, queue, shard)
                page: Sequence[Candidate] = []
                while (not page or len(page) == _COUNT_LIMIT) and count < limit:
                    page = await self._candidates(partition, _COUNT_LIMIT, after=page[-1].sort if page else None)
                    count += sum(found.tenant == tenant for found in page)
                    if not page:
                        break
        return min(count, limit)

    async def running(self, queue: str, session: str) -> Sequence[Job]:
        found: list[str] = []
        for shard in range(dispatch.SHARDS):
            partition = dispatch.partition(Kind.RUNNING, queue, shard)
            entries = await self._rows.entries(partition, limit=1000, prefix=dispatch.session_prefix(session))
            found += [job_id for job_id, _ in entries]
        rows = await self.get_many(found)
        return [job for job in rows.values() if job.owner == session and job.status is Status.PROCESSING]

    async def dead_letters(self, queue: str, limit: int) -> Sequence[Job]:
        found: list[Candidate] = []
        for shard in range(dispatch.SHARDS):
            found += await self._candidates(dispatch.partition(Kind.DEAD, queue, shard), limit, None)
        found.sort(key=lambda candidate: candidate.sort)
        rows = await self.get_many([candidate.job_id for candidate in found[:limit]])
        return [rows[candidate.job_id] for candidate in found if candidate.job_id in rows]

    async def backlog(self, queue: str) -> Backlog:
        depth = 0
        oldest: list[int] = []
        now = dispatch.up_to(self._clock())
        for shard in range(dispatch.SHARDS):
            for kind, up_to in ((Kind.READY, None), (Kind.TIMER, now)):
                partition = dispatch.partition(kind, queue, shard)
                head = await self._candidates(partition, 1, up_to)
                if head:
                    oldest.append(head[0].created_ms)
                    depth += await self._rows.count(partition, limit=_COUNT_LIMIT, up_to=up_to)
        return Backlog(depth, min(oldest, default=None))

    async def list_by_user(self, tenant: str, user: str, limit: int) -> Sequence[Job]:
        rows = await self.get_many(await self._rows.newest(tenant, user, limit))
        return sorted(rows.values(), key=lambda job: job.created_ms, reverse=True)

    async def page_by_user(
        self, tenant: str, user: str, *, limit: int, status: Status | None = None, cursor: str | None = None
    ) -> JobPage:
        return await Listing(self._rows, tenant, user, cursor).page(self.get_many, limit, status)

    async def get_by_connection(self, connection: str, tenant: str, user: str) -> Sequence[Job]:
        newest = await self.list_by_user(tenant, user, 100)
        return [job for job in newest if connection in job.routes and job.status in ALIVE]


def _is_same_attempt(present: Job, job: Job) -> bool:
    """Whether the attempt of `job` still runs."""
    return (present.status, present.attempt, present.owner) == (Status.PROCESSING, job.attempt, job.owner)
