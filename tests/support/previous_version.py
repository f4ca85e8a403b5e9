"""Loaded by STREAMER_ACTIONS into a process that is to be of the version before: it knows rows of version 1, and
nothing of deadlines, neither on a row nor in what it is asked to queue."""

from dataclasses import replace
from typing import Any

from streamer.jobs import lifecycle, model
from streamer.jobs.model import Job, Submission
from streamer.store.dynamodb import items, keys

PREVIOUS = 1

_submit = lifecycle.submit


def _without_deadline(submission: Submission, *details: Any) -> Job:
    return _submit(replace(submission, expires_in_ms=None), *details)


model.SCHEMA_VERSION = PREVIOUS  # type: ignore[misc]  # a constant, but for this
lifecycle.SCHEMA_VERSION = PREVIOUS  # type: ignore[attr-defined]  # as above
lifecycle.submit = _without_deadline  # type: ignore[assignment]  # whatever else it is given
del items._JOB_FIELDS[keys.JOB["deadline_ms"]]
