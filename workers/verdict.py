"""What came of one run of a handler, and what follows from it. Pure."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from streamer.errors import ActionError, Retry, StreamerError, TimedOut
from streamer.jobs.model import Failure

NEUTRAL: Final = "The action failed."
"""What a client is told of an error inside a handler; the log has the rest under the same `error_id`."""


@dataclass(frozen=True, slots=True)
class Completed:
    """It returned; `result` is JSON."""

    result: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """It failed for good."""

    failure: Failure


@dataclass(frozen=True, slots=True)
class Again:
    """It failed and may run again: `after` so long, None: after the usual back-off."""

    failure: Failure
    after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Stopped:
    """It was stopped before it came to anything: its client does not want it any more, or the worker is leaving."""

    is_cancelled: bool


Verdict = Completed | Failed | Again | Stopped


def of_handler(error: BaseException, error_id: str) -> Failed | Again:
    """Of what a handler raised by itself."""
    if isinstance(error, ActionError):
        return Failed(Failure(error.code, error.message, error.details, error.retryable))
    return Again(hidden(error_id), error.after if isinstance(error, Retry) else None)


def of_request(error: StreamerError) -> Failed:
    """Of a job that cannot be run as it was stored: its action or its model is another one by now."""
    return Failed(Failure(error.code, error.message, error.details, error.retryable))


def of_result(error_id: str) -> Failed:
    """Of a result that is no JSON: the next run would return the same."""
    return Failed(hidden(error_id))


def timed_out() -> Again:
    return Again(Failure(TimedOut.code, TimedOut.default))


def expired() -> Failed:
    """Of a run that its deadline stopped: from then on an outcome is pointless, so nothing runs again."""
    return Failed(Failure(TimedOut.code, "The request was not done in time."))


def hidden(error_id: str) -> Failure:
    return Failure("PROCESSING_FAILED", NEUTRAL, {"error_id": error_id})


def is_expected(error: BaseException) -> bool:
    """Whether a handler raised it to say something, rather than by mistake."""
    return isinstance(error, ActionError | Retry)
