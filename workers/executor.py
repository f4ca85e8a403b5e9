"""One attempt as a pipeline: load, resolve, run, classify, record, report.

Only the record is written again when the store is away; the user's code never runs twice in one attempt.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog

from streamer.context import Context, Submitter
from streamer.definitions import Action
from streamer.errors import Fenced, InvalidAction, InvalidPayload, NotFound, ResultTooLarge
from streamer.jobs import ids, retry
from streamer.jobs.model import Failure, Job, Status
from streamer.registry import Registry
from streamer.store.back_off import persistently
from streamer.store.base import RequestQueue, now_ms
from streamer.telemetry.metrics import Metrics
from streamer.threads import NoThreadFree
from workers import verdict
from workers.attempt import Attempt, Ending, Stop
from workers.reporter import AttemptReporter
from workers.reports import LEFT, Reports
from workers.verdict import Again, Completed, Failed, Stopped, Verdict

log = structlog.get_logger()

THREAD_WAIT_S: Final = 0.25
OUTCOMES: Final = {
    Status.COMPLETED: "complete",
    Status.FAILED: "fail",
    Status.CANCELLED: "cancelled",
    Status.RETRYING: "retry",
    Status.PENDING: "released",
}


@dataclass(frozen=True, slots=True)
class Call:
    """What is to be run."""

    action: Action
    request: Any
    checkpoint: Any  # JSON values; None where no earlier attempt saved one


class Executor:
    """Runs attempts. `on_retry` is told of rows that wait for their next attempt, `hand_over` of those that were given
    back."""

    def __init__(
        self,
        *,
        registry: Registry,
        requests: RequestQueue,
        reports: Reports,
        reporter: Callable[[Attempt], AttemptReporter],
        metrics: Metrics,
        on_retry: Callable[[Job], None],
        hand_over: Callable[[Job], Awaitable[None]],
        submitter: Submitter,
        retry_base_ms: int,
        chance: Callable[[], float] = random.random,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._registry = registry
        self._requests = requests
        self._reports = reports
        self._reporter = reporter
        self._metrics = metrics
        self._on_retry = on_retry
        self._hand_over = hand_over
        self._submitter = submitter
        self._retry_base_ms = retry_base_ms
        self._chance = chance
        self._clock = clock

    async def run(self, attempt: Attempt) -> None:
        """From a claimed job to its recorded and reported end. Returns when nothing of the attempt runs any more."""
        reporter = attempt.reporter = self._reporter(attempt)
        started = time.monotonic()
        try:
            outcome = await self._perform(attempt)
            reporter.close()
            row = await self._record(attempt, reporter, outcome)
        finally:
            attempt.close()
        attempt.is_recorded = True
        self._count(attempt, row, time.monotonic() - started)
        if row is not None:
            await self._report(row, outcome)
        await attempt.ended()

    async def _perform(self, attempt: Attempt) -> Verdict:
        try:
            call = await self._load(attempt)
        except (InvalidAction, InvalidPayload, NotFound) as error:
            return verdict.of_request(error)
        except Exception as error:  # noqa: BLE001  # the user's model or check; logged by _blame
            return self._blame(attempt, error)
        return await self._run(attempt, call)

    async def _load(self, attempt: Attempt) -> Call:
        job = attempt.job
        payload = await persistently(lambda: self._requests.load(job, job.payload))
        action = self._registry.get(job.action)
        return Call(action, action.validate(orjson.loads(payload)), await self._checkpoint(job))

    async def _checkpoint(self, job: Job) -> Any:
        body = job.checkpoint
        return None if body is None else orjson.loads(await persistently(lambda: self._requests.load(job, body)))

    async def _run(self, attempt: Attempt, call: Call) -> Verdict:
        context = self._context(attempt, call.checkpoint)
        while True:
            now = time.time()
            context.deadline = stop_at = _stop_at(attempt.job, call.action, now)
            ending = await attempt.run(
                context,
                lambda: self._registry.invoke(call.action, context, call.request),
                None if stop_at is None else max(0.0, stop_at - now),
            )
            if attempt.stop is not None or not isinstance(ending.error, NoThreadFree):
                return self._classify(attempt, call.action, ending, stop_at)
            await asyncio.sleep(THREAD_WAIT_S * (0.5 + self._chance()))  # it has not begun

    def _context(self, attempt: Attempt, checkpoint: Any) -> Context:
        job = attempt.job
        return Context(
            job.client_id,
            job.user,
            job.tenant,
            job.action,
            attempt=job.attempt,
            metadata=job.metadata,
            state=self._registry.state,
            checkpoint=checkpoint,
            reporter=attempt.reporter,
            job_id=job.job_id,
            submitter=self._submitter,
        )

    def _classify(self, attempt: Attempt, action: Action, ending: Ending, stop_at: float | None) -> Verdict:
        """A handler that returned has won, whatever was asked of it meanwhile."""
        if ending.error is None:
            return self._encoded(attempt, action, ending.result)
        if attempt.stop is not None:
            return Stopped(is_cancelled=attempt.stop is Stop.CANCEL)
        if ending.overran:
            log.warning("attempt_timed_out", **_about(attempt.job))
            return verdict.expired() if stop_at == _deadline(attempt.job) else verdict.timed_out()
        return self._blame(attempt, ending.error)

    def _encoded(self, attempt: Attempt, action: Action, result: Any) -> Verdict:
        try:
            return Completed(action.encode(result))
        except Exception:  # whatever the types of the user raise while they are written
            error_id = ids.nonce()
            log.exception("result_not_json", error_id=error_id, **_about(attempt.job))
            return verdict.of_result(error_id)

    def _blame(self, attempt: Attempt, error: BaseException) -> Verdict:
        error_id = ids.nonce()
        if verdict.is_expected(error):
            log.info("attempt_ended_by_handler", error_id=error_id, reason=str(error), **_about(attempt.job))
        else:
            log.error("attempt_failed", error_id=error_id, exc_info=error, **_about(attempt.job))
        return verdict.of_handler(error, error_id)

    async def _record(self, attempt: Attempt, reporter: AttemptReporter, outcome: Verdict) -> Job | None:
        """The row after the end of the attempt; None where somebody else owns the job by now.

        Written again and again while the store is away, also when the session was late meanwhile: the fence keeps
        it right, and a result that is at hand is not thrown away. All output is stored before an outcome says how much
        there is; where the job will run again, what no checkpoint kept is void, and not waited for.
        """
        if attempt.stop is not Stop.FENCED and _is_outcome(attempt.job, outcome):
            await reporter.flush()
        if attempt.stop is Stop.FENCED:
            return None
        try:
            return await persistently(lambda: self._write(attempt, outcome, reporter.stored))
        except Fenced:
            return None

    async def _write(self, attempt: Attempt, outcome: Verdict, chunks: int) -> Job:
        job, seq = attempt.job, attempt.last_seq
        match outcome:
            case Completed(result):
                return await self._complete(job, result, seq, chunks)
            case Failed(failure):
                return await self._requests.fail(job, failure, seq + 1, chunks=chunks)
            case Again(failure, after):
                delay_ms = self._delay_ms(job) if after is None else int(after.total_seconds() * 1000)
                due_ms = self._clock() + max(0, delay_ms)
                return await self._requests.retry(job, failure, seq + 1, due_ms, chunks=chunks)
            case Stopped(is_cancelled=True):
                return await self._requests.cancelled(job, seq + 1, chunks=chunks)
            case Stopped():
                return await self._requests.release(job)

    async def _complete(self, job: Job, result: bytes, seq: int, chunks: int) -> Job:
        """One number before the outcome is left free for the progress of 100 that a node makes itself."""
        try:
            return await self._requests.complete(job, result, seq + 2, chunks=chunks)
        except ResultTooLarge as error:
            return await self._requests.fail(job, Failure(error.code, error.message), seq + 1, chunks=chunks)

    def _delay_ms(self, job: Job) -> int:
        return retry.delay_ms(job.retry_count, self._retry_base_ms, self._chance())

    async def _report(self, row: Job, outcome: Verdict) -> None:
        if row.status is Status.RETRYING:
            self._on_retry(row)
        result = outcome.result if isinstance(outcome, Completed) else None
        reason = outcome.failure if isinstance(outcome, Again) else LEFT
        await self._reports.tell(row, reason, result=result)
        if row.status is Status.PENDING:
            await self._hand_over(row)

    def _count(self, attempt: Attempt, row: Job | None, seconds: float) -> None:
        action = attempt.job.action
        self._metrics.attempts.labels(action, "fenced" if row is None else OUTCOMES[row.status]).inc()
        self._metrics.attempt_seconds.labels(action).observe(seconds)
        if row is None:
            log.info("attempt_fenced", **_about(attempt.job))
        elif row.status is Status.PENDING:
            self._metrics.jobs_given_back.labels("released").inc()


def _stop_at(job: Job, action: Action, now: float) -> float | None:
    """Until when a run that begins now may take, in Unix seconds; None: for ever."""
    time_out = None if action.timeout_s is None else now + action.timeout_s
    return min((limit for limit in (_deadline(job), time_out) if limit is not None), default=None)


def _deadline(job: Job) -> float | None:
    return None if job.deadline_ms is None else job.deadline_ms / 1000


def _is_outcome(job: Job, ending: Verdict) -> bool:
    """Whether the job ends with this, or may, as its deadline may come before its next attempt; a cancel that was
    requested meanwhile aside."""
    match ending:
        case Again():
            return not job.retries_left or job.deadline_ms is not None
        case Stopped(is_cancelled):
            return is_cancelled
        case _:
            return True


def _about(job: Job) -> dict[str, Any]:
    return {"job_id": job.job_id, "request_id": job.client_id, "action": job.action, "attempt": job.attempt}
