"""The queue as a person would explain it: dictionaries and ifs, no guards, no engine. What engines are held against.

It shares with the product only names of errors and statuses; every rule is written out a second time.
"""

from dataclasses import dataclass, field

from streamer.errors import DuplicateRequest, Fenced, NotFound
from streamer.jobs.model import Job, Status, Submission
from streamer.store.base import RoutesFull
from tests.support.jobs import DAY_MS, row

LOSS = 1_000_000_000
FINISHED = (Status.COMPLETED, Status.FAILED, Status.CANCELLED)


@dataclass(slots=True)
class Plain:
    """What anybody can see of a job."""

    action: str
    payload: bytes
    payload_hash: str
    max_retries: int
    start_by_ms: int | None
    due_ms: int | None
    routes: frozenset[str]
    redrive_of: str | None = None
    status: Status = Status.PENDING
    attempt: int = 0
    retry_count: int = 0
    owner: str | None = None
    seq: int = 0
    percentage: float | None = None
    checkpoint: bytes | None = None
    kept: dict[int, int] = field(default_factory=dict)  # attempt -> its output stands up to this index
    chunks: int = 0
    watch_version: int = 0
    result: bytes | None = None
    error: str | None = None
    cancel_requested_ms: int | None = None
    ended_ms: int | None = None
    expires_ms: int | None = None
    redriven_as: str | None = None
    where: str | None = "R"  # kind of its entry in the queue index


def seen(job: Job) -> Plain:
    """The same of a row."""
    assert isinstance(job.payload, bytes)
    assert job.result is None or isinstance(job.result, bytes)
    assert job.checkpoint is None or isinstance(job.checkpoint, bytes)
    return Plain(
        job.action, job.payload, job.payload_hash, job.max_retries, job.start_by_ms, job.due_ms, job.routes,
        job.redrive_of, job.status, job.attempt, job.retry_count, job.owner, job.seq,
        job.progress.percentage if job.progress else None,
        job.checkpoint, {each.attempt: each.until for each in job.kept}, job.chunks, job.watch_version,
        job.result, job.error.code if job.error else None,
        job.cancel_requested_ms, job.ended_ms, job.expires_ms, job.redriven_as,
        job.entry.partition[0] if job.entry else None,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Handle:
    """What a worker knows of the attempt that it runs, or believes to run."""

    job_id: str
    attempt: int
    seq: int
    retries_left: bool
    kept_chunks: int


@dataclass(slots=True)
class PlainQueue:
    """The verbs of `RequestQueue`, one after the other. Each gives the job as it is then, or raises what it should."""

    now_ms: int
    jobs: dict[str, Plain] = field(default_factory=dict)

    def present(self, job_id: str) -> Plain | None:
        job = self.jobs.get(job_id)
        return None if job is None or (job.expires_ms is not None and job.expires_ms <= self.now_ms) else job

    # --- submit ---

    def enqueue(self, job_id: str, asked: Submission) -> tuple[Plain, bool]:
        job = self.present(job_id)
        if job is not None:
            return self._join(job, asked), False
        start_ms = self.now_ms + asked.delay_ms
        new = Plain(
            asked.action, asked.payload, asked.payload_hash, asked.max_retries,
            start_by_ms=start_ms + asked.start_within_ms,
            due_ms=start_ms if asked.delay_ms else None,
            routes=frozenset({asked.connection} if asked.connection else ()),
            redrive_of=asked.redrive_of,
            where="T" if asked.delay_ms else "R",
        )  # fmt: skip
        self.jobs[job_id] = new
        return new, True

    def _join(self, job: Plain, asked: Submission) -> Plain:
        if (job.action, job.payload_hash) != (asked.action, asked.payload_hash):
            raise DuplicateRequest
        return self._listen(job, asked.connection) if asked.connection else job

    def _listen(self, job: Plain, connection: str) -> Plain:
        if job.status in FINISHED or connection in job.routes:
            return job
        if len(job.routes) == 8:
            raise RoutesFull(row())
        job.routes |= {connection}
        return job

    # --- an attempt ---

    def claim(self, job_id: str, session: str) -> Plain | None:
        job = self.present(job_id)
        if job is None or job.status not in (Status.PENDING, Status.RETRYING):
            return None
        if job.start_by_ms is not None and job.start_by_ms <= self.now_ms:
            job.seq += 1
            return self._end(job, Status.FAILED, "TIMEOUT")
        if job.due_ms is not None and job.due_ms > self.now_ms:
            return None
        job.status, job.where, job.owner = Status.PROCESSING, "L", session
        job.attempt += 1
        job.seq, job.percentage, job.due_ms, job.start_by_ms = 0, None, None, None
        return job

    def save_progress(self, mine: Handle, percentage: float, seq: int) -> Plain:
        job = self._mine(mine)
        if job is None or job.status is not Status.PROCESSING:
            raise Fenced
        if seq >= job.seq:
            job.percentage, job.seq = percentage, seq
        return job

    def save_checkpoint(self, mine: Handle, state: bytes, seq: int, chunks: int) -> Plain:
        job = self._mine(mine)
        if job is None or job.status is not Status.PROCESSING:
            raise Fenced
        job.checkpoint, job.seq = state, max(job.seq, seq)
        job.kept.pop(mine.attempt, None)
        if chunks > max(job.kept.values(), default=0):
            job.kept[mine.attempt] = chunks
        return job

    def complete(self, mine: Handle, result: bytes, seq: int, chunks: int) -> Plain:
        job = self._running(mine)
        if job.status not in FINISHED:
            self._say(job, seq)
            job.result, job.chunks = result, max(chunks, mine.kept_chunks)
            self._end(job, Status.COMPLETED, None)
        return job

    def fail(self, mine: Handle, seq: int, chunks: int) -> Plain:
        job = self._running(mine)
        if job.status not in FINISHED:
            self._say(job, seq)
            job.chunks = max(chunks, mine.kept_chunks)
            self._end(job, Status.FAILED, "PROCESSING_FAILED")
        return job

    def cancelled(self, mine: Handle, seq: int, chunks: int) -> Plain:
        job = self._running(mine)
        if job.status not in FINISHED:
            if job.cancel_requested_ms is None:
                raise Fenced
            self._say(job, seq)
            job.chunks = max(chunks, mine.kept_chunks)
            self._end(job, Status.CANCELLED, "CANCELLED")
        return job

    def retry(self, mine: Handle, seq: int, due_ms: int, chunks: int) -> Plain:
        job = self._mine(mine)
        if job is not None and job.status is Status.RETRYING:
            return job
        job = self._running(mine)
        if job.status in FINISHED:
            return job
        if job.cancel_requested_ms is not None:
            job.seq = max(job.seq, seq)
            return self._stop(job, chunks)
        self._say(job, seq)
        if not mine.retries_left:
            job.chunks = max(chunks, mine.kept_chunks)
            return self._end(job, Status.FAILED, "PROCESSING_FAILED")
        job.status, job.where, job.owner, job.error = Status.RETRYING, "T", None, "PROCESSING_FAILED"
        job.due_ms = due_ms
        job.retry_count += 1
        return job

    def release(self, mine: Handle) -> Plain:
        job = self._mine(mine)
        if job is not None and job.status is Status.PENDING:
            return job
        return self._give_back(mine, cost=0)

    def lost(self, mine: Handle) -> Plain:
        job = self._mine(mine)
        if job is not None and job.status is Status.PENDING and mine.retries_left:
            return job
        return self._give_back(mine, cost=1)

    def _give_back(self, mine: Handle, *, cost: int) -> Plain:
        job = self._running(mine)
        if job.status in FINISHED:
            return job
        if job.cancel_requested_ms is not None:
            job.seq = max(job.seq, mine.seq + LOSS)
            return self._stop(job, 0)
        if cost and not mine.retries_left:
            job.seq, job.chunks = mine.seq + LOSS, mine.kept_chunks
            return self._end(job, Status.FAILED, "WORKER_LOST")
        job.status, job.where, job.owner = Status.PENDING, "R", None
        job.seq += LOSS
        job.retry_count += cost
        return job

    def _mine(self, mine: Handle) -> Plain | None:
        job = self.jobs.get(mine.job_id)
        return job if job is not None and job.attempt == mine.attempt else None

    def _running(self, mine: Handle) -> Plain:
        """My attempt, running or with its outcome."""
        job = self._mine(mine)
        if job is None or job.status in (Status.PENDING, Status.RETRYING):
            raise Fenced
        return job

    def _say(self, job: Plain, seq: int) -> None:
        if seq < job.seq:
            raise Fenced
        job.seq = seq

    def _stop(self, job: Plain, chunks: int) -> Plain:
        """What was asked to stop, by whoever ends its attempt with the newest row before its eyes."""
        job.chunks = max(chunks, max(job.kept.values(), default=0))
        return self._end(job, Status.CANCELLED, "CANCELLED")

    def _end(self, job: Plain, status: Status, error: str | None) -> Plain:
        job.status, job.error, job.owner, job.due_ms = status, error, None, None
        job.where = "D" if status is Status.FAILED else None
        job.ended_ms = self.now_ms
        expires_ms = self.now_ms + (14 if status is Status.FAILED else 7) * DAY_MS
        job.expires_ms = (expires_ms + 999) // 1000 * 1000
        return job

    # --- the client ---

    def cancel(self, job_id: str) -> Plain:
        job = self._found(job_id)
        if job.status in (Status.PENDING, Status.RETRYING):
            job.seq += 1
            self._end(job, Status.CANCELLED, "CANCELLED")
        elif job.status is Status.PROCESSING and job.cancel_requested_ms is None:
            job.cancel_requested_ms = self.now_ms
        return job

    def attach(self, job_id: str, connection: str) -> Plain:
        return self._listen(self._found(job_id), connection)

    def watched(self, job_id: str) -> Plain:
        job = self._found(job_id)
        if job.status not in FINISHED:
            job.watch_version += 1
        return job

    def redrive(self, job_id: str, again_id: str) -> Plain:
        dead = self._found(job_id)
        if dead.status is not Status.FAILED:
            raise NotFound
        if dead.redriven_as is None:
            dead.redriven_as, dead.where = again_id, None
        again = self.present(again_id)
        if again is None:
            start_by_ms = self.now_ms + 30 * DAY_MS
            again = Plain(
                dead.action, dead.payload, dead.payload_hash, dead.max_retries, start_by_ms, None, frozenset(), job_id
            )
            self.jobs[again_id] = again
        return again

    def _found(self, job_id: str) -> Plain:
        job = self.present(job_id)
        if job is None:
            raise NotFound
        return job
