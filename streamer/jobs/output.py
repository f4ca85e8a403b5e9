"""Which pieces of output stand, when several attempts have made some. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from streamer.jobs.model import WAITING, Job


@dataclass(frozen=True, slots=True)
class Stretch:
    """The chunks of one attempt with `start` <= index < `end`; `end` None: as many as there will be."""

    attempt: int
    start: int
    end: int | None


def stretches(job: Job) -> Sequence[Stretch]:
    """The output that stands by this row, in order: what checkpoints kept, then that of the newest attempt.

    While the job waits for its next attempt only what was kept stands: the rest is void.
    """
    found: list[Stretch] = []
    start = 0
    for kept in job.kept:
        found.append(Stretch(kept.attempt, start, kept.until))
        start = kept.until
    if job.status not in WAITING:
        end = job.chunks if job.finished else None
        if end is None or end > start:
            found.append(Stretch(job.attempt, start, end))
    return found


def continues_from(job: Job, attempt: int) -> int | None:
    """How many chunks a listener may keep that listened to `attempt` so far; None: all that it has."""
    if attempt > job.attempt or (attempt == job.attempt and job.status not in WAITING):
        return None
    return max((kept.until for kept in job.kept if kept.attempt <= attempt), default=0)
