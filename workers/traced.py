"""The parts of a worker that make spans. Made only where tracing is on."""

from collections.abc import Collection
from typing import Any, Final

from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from streamer.cluster.courier import Courier
from streamer.cluster.lanes import Kind
from streamer.jobs.model import Job, Status
from streamer.protocol import traceparents
from streamer.telemetry import tracing
from streamer.traced import TracedSubmitter
from workers.attempt import Attempt
from workers.executor import OUTCOMES, Executor
from workers.kinds import Kinds
from workers.verdict import Verdict


class TracedExecutor(Executor):
    """An attempt is a trace of its own, linked to the submit that its row names: a job may wait for days, and have many
    attempts. The handler runs inside the attempt's span."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tracer = tracing.tracer()

    async def run(self, attempt: Attempt) -> None:
        job = attempt.job
        span = self._tracer.start_span(
            f"attempt {job.action}",
            tracing.ALONE,
            SpanKind.CONSUMER,
            _about(job),
            tracing.links(tracing.place(tracing.named(job.metadata))),
        )
        with tracing.running(span):
            await super().run(attempt)

    def _blame(self, attempt: Attempt, error: BaseException) -> Verdict:
        tracing.failed(trace.get_current_span(), error)
        return super()._blame(attempt, error)

    def _count(self, attempt: Attempt, row: Job | None, seconds: float) -> None:
        span = trace.get_current_span()
        span.set_attribute("streamer.outcome", "fenced" if row is None else OUTCOMES[row.status])
        if row is not None and row.status is Status.FAILED:
            span.set_status(StatusCode.ERROR)
        super()._count(attempt, row, seconds)


class TracedCourier(Courier):
    """An outcome names the attempt that made it."""

    def send(
        self,
        job: Job,
        kind: Kind,
        seq: int,
        frame: bytes,
        *,
        to: Collection[str],
        chunks: int = 0,
        percentage: float | None = None,
        attempt: int | None = None,
    ) -> None:
        if kind == "outcome":
            frame = traceparents.added(frame, tracing.traceparent(trace.get_current_span()))
        super().send(job, kind, seq, frame, to=to, chunks=chunks, percentage=percentage, attempt=attempt)


KINDS: Final = Kinds(executor=TracedExecutor, courier=TracedCourier, submitter=TracedSubmitter)


def _about(job: Job) -> dict[str, str | int]:
    return {
        **tracing.messaging(
            "attempt",
            "process",
            action=job.action,
            attempt=job.attempt,
            request_id=job.client_id,
            tenant=job.tenant,
        ),
        "messaging.destination.name": job.queue,
        "messaging.message.id": job.job_id,
    }
