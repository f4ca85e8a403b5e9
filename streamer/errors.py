"""Every error that Streamer raises on purpose.

* `StreamerError`: code, message, details, retryable, after_ms: what may be told to a client
    * `InvalidMessage`: the frame could not be read (`INVALID_MESSAGE`)
    * `InvalidAction`: nobody registered that name (`INVALID_ACTION`)
    * `InvalidPayload`: the action's model refuses the payload (`VALIDATION_ERROR`)
    * `PayloadTooLarge` (`PAYLOAD_TOO_LARGE`) · `ResultTooLarge` (`RESULT_TOO_LARGE`)
    * `Unauthorized` (`UNAUTHORIZED`) · `Forbidden` (`FORBIDDEN`)
    * `NotFound`: unknown, or somebody else's: never told apart (`NOT_FOUND`)
    * `DuplicateRequest`: the id is taken by another payload (`DUPLICATE_REQUEST`)
    * `RateLimited` (`RATE_LIMITED`) · `ServiceUnavailable` (`SERVICE_UNAVAILABLE`)
    * `TimedOut` (`TIMEOUT`) · `InternalError` (`INTERNAL_ERROR`)
    * `StoreUnavailable`: the store did not answer, the write may or may not have happened (`STORAGE_ERROR`)
    * `ActionError`: what a handler wants the client to be told, under a code of its own
* `Fenced`: this attempt is over, somebody else owns the job now; never told to a client
* `Retry`: a handler asks for another attempt
* `ConfigurationError`: a process cannot start; one sentence for a person
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar

CODE = re.compile(r"[A-Z][A-Z0-9_]*")


class StreamerError(Exception):
    """Something that a client may be told. Subclasses fix the code and a default message."""

    code: str = "INTERNAL_ERROR"
    retryable: bool = False
    default: ClassVar[str] = "Something went wrong on the server."

    def __init__(
        self, message: str = "", *, details: Mapping[str, Any] | None = None, after_ms: int | None = None
    ) -> None:
        super().__init__(message or self.default)
        self.message = message or self.default
        self.details = details
        self.after_ms = after_ms


class InvalidMessage(StreamerError):
    """The frame is not what the protocol says a frame is. `request_id` is its id, where that much was readable."""

    code = "INVALID_MESSAGE"
    default = "The message could not be read."

    def __init__(self, message: str = "", *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id


class InvalidAction(StreamerError):
    """No module registered an action of this name."""

    code = "INVALID_ACTION"
    default = "There is no such action."


class InvalidPayload(StreamerError):
    """The action's payload model refuses the payload; `details.errors` says where and why."""

    code = "VALIDATION_ERROR"
    default = "The payload is not valid for this action."


class PayloadTooLarge(StreamerError):
    """The payload is over what may be stored."""

    code = "PAYLOAD_TOO_LARGE"
    default = "The payload is too large."


class ResultTooLarge(StreamerError):
    """The handler's result is over what may be stored."""

    code = "RESULT_TOO_LARGE"
    default = "The result of the action is too large."


class Unauthorized(StreamerError):
    """No token, or one that does not hold."""

    code = "UNAUTHORIZED"
    default = "A valid token is required."


class Forbidden(StreamerError):
    """The caller is known and may not do this."""

    code = "FORBIDDEN"
    default = "This is not allowed."


class NotFound(StreamerError):
    """Unknown, expired, or another user's: the same answer for all three."""

    code = "NOT_FOUND"
    default = "There is no such request."


class DuplicateRequest(StreamerError):
    """The id already belongs to a request with another action or payload."""

    code = "DUPLICATE_REQUEST"
    default = "This id was already used for another request."


class RateLimited(StreamerError):
    """Too much at once; `after_ms` says when to try again."""

    code = "RATE_LIMITED"
    retryable = True
    default = "Too many requests."


class ServiceUnavailable(StreamerError):
    """This process cannot take the work now; another may."""

    code = "SERVICE_UNAVAILABLE"
    retryable = True
    default = "The service cannot take this now."


class TimedOut(StreamerError):
    """The work did not end within its time."""

    code = "TIMEOUT"
    default = "The request took too long."


class InternalError(StreamerError):
    """A fault of the server; the log has it under `details.error_id`."""


class StoreUnavailable(StreamerError):
    """The store did not answer in time, or refused for reasons of its own. A write may have been applied."""

    code = "STORAGE_ERROR"
    retryable = True
    default = "The request could not be stored."


class ActionError(StreamerError):
    """Raised by a handler: ends the request with this code and message, which the client sees as they are.

    `code` is upper case (`[A-Z][A-Z0-9_]*`, else ValueError). `retryable` only informs the client;
    raise `Retry` to run again.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        retryable: bool = False,
        after_ms: int | None = None,
    ) -> None:
        if not CODE.fullmatch(code):
            raise ValueError(f"an error code is upper case letters, digits and underscores, not {code!r}")
        super().__init__(message, details=details, after_ms=after_ms)
        self.code = code
        self.retryable = retryable


class Fenced(Exception):
    """The write was refused because this attempt no longer owns the job."""


class Retry(Exception):
    """Raised by a handler: this attempt failed, run again after `after` (None: the usual back-off)."""

    def __init__(self, after: timedelta | None = None, reason: str = "the handler asked for another attempt") -> None:
        super().__init__(reason)
        self.after = after


class ConfigurationError(Exception):
    """The process cannot start; the message is one sentence that says what to change."""
