"""What can go wrong for a client.

* `ClientError`
    * `CannotConnect`: nobody answers there, or somebody else
        * `HandshakeRefused`: the server answered, with a code and a reason
    * `ConnectionLost`: the socket is gone; what became of the open requests is not known here
    * `RequestFailed`: the server says that a request has no result
    * `Unwatched`: this client itself stopped watching a job
"""

from collections.abc import Mapping
from typing import Any

from streamer.protocol import codes


class ClientError(Exception):
    """Every error that the client raises; its text is a sentence for a person."""


class CannotConnect(ClientError):
    """Nobody answers at that address within the time, or it is not a Streamer node."""


class HandshakeRefused(CannotConnect):
    """The node refuses the connection: `code` as in PROTOCOL, the HTTP `status`, and when to try again, if it says."""

    def __init__(self, code: str, message: str, *, status: int, retry_after_s: float | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.retry_after_s = retry_after_s


class ConnectionLost(ClientError):
    """The connection ended for good; the newest socket with close code `code`, where 1006 stands for no close frame.

    Its cause (`__cause__`) is what the last try to come back met, if there was one. A queued request that was
    acknowledged goes on at the server.
    """

    def __init__(self, code: int, reason: str = "") -> None:
        super().__init__(f"The connection ended ({code}{': ' + reason if reason else ''}).")
        self.code = code
        self.reason = reason

    @property
    def may_reconnect(self) -> bool:
        """Whether the server wants this client back after such a close."""
        return codes.may_reconnect(self.code)


class RequestFailed(ClientError):
    """The outcome of a request is an error. `after_ms` says when to try again, where `retryable`."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        retryable: bool = False,
        after_ms: int | None = None,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = details
        self.retryable = retryable
        self.after_ms = after_ms


class Unwatched(ClientError):
    """There is no outcome to wait for: `unwatch` was called before it came."""
