"""Submissions, rows and a clock for tests: each test spells out only what it is about."""

import random
from dataclasses import replace
from typing import Any, Final

from streamer.jobs import ids, lifecycle
from streamer.jobs.model import Failure, Job, Status, Submission

NOON_MS: Final = 1_800_000_000_000
"""A whole second in 2027, for tests that need no real time."""

DAY_MS: Final = 86_400_000
OOPS: Final = Failure("PROCESSING_FAILED", "The action failed.", {"error_id": "e1"})


class Clock:
    """Unix milliseconds that stand still until a test moves them."""

    def __init__(self, now_ms: int = NOON_MS) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, ms: int) -> int:
        self.now_ms += ms
        return self.now_ms


def submission(**fields: Any) -> Submission:
    """A small report for ann of acme. The payload hash is made from action and payload unless it is given."""
    given: dict[str, Any] = {
        "tenant": "acme",
        "user": "ann",
        "client_id": "r1",
        "action": "report",
        "payload": b'{"n":1}',
        "start_within_ms": 6 * DAY_MS,
        **fields,
    }
    given.setdefault("payload_hash", ids.content_hash(given["action"].encode() + given["payload"]))
    return Submission(**given)


def row(now_ms: int = NOON_MS, **fields: Any) -> Job:
    """The row of `submission()`, with these fields of Job changed afterwards."""
    return replace(lifecycle.submit(submission(), "submit-nonce", now_ms, now_ms), **fields)


def row_in(status: Status, **fields: Any) -> Job:
    """A row as the transitions leave it in this status, in its first attempt where it had one."""
    job = row(max_retries=1)
    if status is Status.PENDING:
        return replace(job, **fields)
    if status is Status.CANCELLED:
        gone = lifecycle.cancel_waiting(job.tenant, job.user, OOPS, NOON_MS, DAY_MS)
        return replace(lifecycle.applied(gone, job), **fields)
    job = lifecycle.applied(lifecycle.claim(job.job_id, job.queue, "session-a", "claim-nonce", NOON_MS), job)
    ends = {
        Status.RETRYING: lifecycle.retry(job, OOPS, 1, NOON_MS),
        Status.COMPLETED: lifecycle.complete(job, b"1", 1, NOON_MS, DAY_MS),
        Status.FAILED: lifecycle.fail(job, OOPS, 1, NOON_MS, DAY_MS),
    }
    return replace(lifecycle.applied(ends[status], job) if status in ends else job, **fields)


def noise(size: int, seed: int = 1) -> bytes:
    """A JSON string of about this size that does not compress to much less."""
    return b'"' + random.Random(seed).randbytes(size // 2).hex().encode() + b'"'
