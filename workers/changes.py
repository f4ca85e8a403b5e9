"""What a change of a row asks for: a start, or an outcome that somebody must be told. Pure."""

from collections.abc import Sequence

from streamer.jobs.model import WAITING, Job, Status
from streamer.store.feed import Change


def waiting(change: Change) -> Job | None:
    """The row, where this change gave it a new place among what waits."""
    after = change.after
    if after is None or after.status not in WAITING or after.entry is None:
        return None
    is_new = change.before is None or change.before.entry != after.entry
    return after if is_new else None


def ended(change: Change) -> tuple[str, Job] | None:
    """The session that ran it and the row, where this change is the outcome of an attempt."""
    before, after = change.before, change.after
    if before is None or after is None or before.owner is None:
        return None
    was_running = before.status is Status.PROCESSING
    return (before.owner, after) if was_running and after.finished else None


def still_waiting(changes: Sequence[Change]) -> list[Job]:
    """The rows that came to wait and, as far as these changes tell, wait still: a claim of another would be refused."""
    rows: dict[str, Job] = {}
    for change in changes:
        row = waiting(change)
        if row is not None:
            rows[row.job_id] = row
        elif change.after is None or change.after.status not in WAITING:
            rows.pop(_job_id(change), None)
    return list(rows.values())


def written_ms(change: Change) -> int | None:
    """When it was written, in Unix milliseconds, where the row says so: a submit or an outcome."""
    before, after = change.before, change.after
    if after is None:
        return None
    if before is None:
        return after.created_ms
    return after.ended_ms if after.finished and not before.finished else None


def _job_id(change: Change) -> str:
    row = change.after or change.before
    return "" if row is None else row.job_id
