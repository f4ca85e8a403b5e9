"""What operators are told of a job. Never its payload, nor its result."""

from typing import Any

from app.rest.states import chunks, percentage
from streamer.jobs.model import Job, Status
from streamer.protocol import frames


def values(job: Job) -> dict[str, Any]:
    """Every field is always there; None: it has not happened. Times in Unix seconds."""
    return {
        "job_id": job.job_id,
        "request_id": job.client_id,
        "tenant": job.tenant,
        "user": job.user,
        "action": job.action,
        "queue": job.queue,
        "status": job.status.value,
        "attempt": job.attempt,
        "percentage": percentage(job),
        "message": "" if job.progress is None else job.progress.message,
        "chunks": chunks(job),
        "retry_count": job.retry_count,
        "worker": job.owner if job.status is Status.PROCESSING else None,
        "created_at": job.created_ms / 1000,
        "started_at": _seconds(job.started_ms),
        "ready_at": None if job.finished else _seconds(job.due_ms),
        "ended_at": _seconds(job.ended_ms),
        "error": None if job.error is None else frames.failure(job.error),
        "redriven_as": job.redriven_as,
    }


def _seconds(time_ms: int | None) -> float | None:
    return None if time_ms is None else time_ms / 1000
