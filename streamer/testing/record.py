"""What a run told, and who notes it down."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

import orjson

from streamer.context import DONE
from streamer.intake import Policy
from streamer.jobs.model import Progress, Submission
from streamer.registry import Registry
from streamer.store.base import RequestQueue
from streamer.submitter import Submitter

POLICY: Final = Policy(max_retries=3, start_within_ms=518_400_000)
"""The defaults of the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmittedJob:
    """What `ctx.submit` asked for, as it would have been stored: `payload` is JSON values, durations are seconds."""

    id: str
    action: str
    payload: Any
    metadata: Mapping[str, Any] | None
    priority: str
    delay_s: float
    expires_in_s: float | None
    durable: bool
    queue: str


@dataclass(slots=True)
class Run:
    """What one run of a handler gave and told, in order.

    `result` is JSON values, None as long as it has not returned. `chunks`, `checkpoints` and the payloads in
    `submitted` are JSON values too. `cancelled`: it was asked to stop, and came to no result.
    """

    result: Any = None
    progress: list[Progress] = field(default_factory=list)
    chunks: list[Any] = field(default_factory=list)
    checkpoints: list[Any] = field(default_factory=list)
    submitted: list[SubmittedJob] = field(default_factory=list)
    cancelled: bool = False


class Recorder:
    """The `Reporter` of a run: notes down, and calls `noted` after each note, on the loop or from a thread."""

    def __init__(self, run: Run, noted: Callable[[], None]) -> None:
        self._run = run
        self._noted = noted

    def progress(self, progress: Progress) -> None:
        self._run.progress.append(progress)
        self._noted()

    def emit(self, data: bytes) -> Awaitable[None]:
        return self._note(self._run.chunks, data)

    def save_checkpoint(self, state: bytes) -> Awaitable[None]:
        return self._note(self._run.checkpoints, state)

    def _note(self, notes: list[Any], data: bytes) -> Awaitable[None]:
        notes.append(orjson.loads(data))
        self._noted()
        return DONE


class SubmitRecorder(Submitter):
    """Checks as the real one does, and notes down where that would store. No id is held against an earlier one."""

    def __init__(self, registry: Registry, run: Run, noted: Callable[[], None]) -> None:
        super().__init__(registry, cast("RequestQueue", None), POLICY, tell=None)  # nothing is stored
        self._run = run
        self._noted = noted

    async def store_patiently(self, submission: Submission) -> None:
        self._run.submitted.append(_job(submission))
        self._noted()


def _job(submission: Submission) -> SubmittedJob:
    expires_in_ms = submission.expires_in_ms
    return SubmittedJob(
        id=submission.client_id,
        action=submission.action,
        payload=orjson.loads(submission.payload),
        metadata=submission.metadata,
        priority=submission.priority.value,
        delay_s=submission.delay_ms / 1000,
        expires_in_s=None if expires_in_ms is None else expires_in_ms / 1000,
        durable=submission.durable,
        queue=submission.queue,
    )
