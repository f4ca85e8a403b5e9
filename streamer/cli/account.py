"""What is told of a job: as values for JSON, as lines for people. Its payload and result only where asked for."""

from collections.abc import Mapping
from typing import Any, Final

import orjson

from streamer.cli.table import age, printable, utc
from streamer.jobs.model import Failure, Job, Progress, Status

HEADER: Final = ("JOB", "STATUS", "ACTION", "TENANT", "USER", "ATTEMPT", "CREATED", "")
_TIMES: Final = (
    "created_ms", "due_ms", "start_by_ms", "deadline_ms", "started_ms", "cancel_requested_ms", "ended_ms", "expires_ms",
)  # fmt: skip


def values(job: Job) -> dict[str, Any]:
    """JSON values under the protocol's words; what has not happened is left out. Times in UTC."""
    told = {
        "job_id": job.job_id,
        "request_id": job.client_id,
        "tenant": job.tenant,
        "user": job.user,
        "action": job.action,
        "queue": job.queue,
        "status": job.status.value,
        "attempt": job.attempt,
        "retries": job.retry_count,
        "max_retries": job.max_retries,
        "owner": job.owner,
        "progress": job.progress and _progress(job.progress),
        "error": job.error and _error(job.error),
        "chunks": job.chunks or None,
        "durable": job.durable or None,
        "listeners": len(job.routes) or None,
        "redrive_of": job.redrive_of,
        "redriven_as": job.redriven_as,
        **{name.removesuffix("_ms"): _time(getattr(job, name)) for name in _TIMES},
    }
    return {name: value for name, value in told.items() if value is not None}


def row(job: Job, now_ms: int) -> list[str]:
    """Under HEADER."""
    created = age(job.created_ms, now_ms)
    return [job.job_id, job.status, job.action, job.tenant, job.user, str(job.attempt), created, _detail(job, now_ms)]


def lines(told: Mapping[str, Any], job: Job, now_ms: int) -> list[str]:
    """One for each of the values, with ages beside times."""
    times = {name.removesuffix("_ms"): getattr(job, name) for name in _TIMES}
    found = []
    for name, value in told.items():
        text = value if isinstance(value, str) else orjson.dumps(value).decode()
        since = f"  ({age(times[name], now_ms)})" if name in times else ""
        found.append(f"{name:<17}{printable(text)}{since}")
    return found


def _detail(job: Job, now_ms: int) -> str:
    if job.status is Status.PROCESSING:
        return f"{job.progress.percentage:g} % {job.progress.message}".strip() if job.progress else ""
    if job.due_ms is not None:
        return f"due {age(job.due_ms, now_ms)}"
    if job.error is None or job.ended_ms is None:
        return ""
    error_id = (job.error.details or {}).get("error_id", "")
    return " ".join(filter(None, (job.error.code, age(job.ended_ms, now_ms), str(error_id))))


def _progress(progress: Progress) -> dict[str, Any]:
    return {"percentage": progress.percentage, "message": progress.message}


def _error(error: Failure) -> dict[str, Any]:
    details = {"details": error.details} if error.details else {}
    return {"code": error.code, "message": error.message, **details}


def _time(time_ms: int | None) -> str | None:
    return None if time_ms is None else utc(time_ms)
