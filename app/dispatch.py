"""What to do with a frame of a client."""

import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

from app import faults, stepping
from app.cancel import Cancels
from app.connection import Connection
from app.inbox import Inboxes
from app.inline import Inline
from app.meters import Known, Meter
from app.renewal import Renewals
from app.resume import Resumes
from app.submit import Submits
from app.watch import Watches
from streamer.errors import Forbidden, InvalidAction, InvalidMessage, RateLimited, StreamerError, Unauthorized
from streamer.protocol import codec, frames
from streamer.protocol.codes import Close
from streamer.protocol.messages import (
    DEFAULT_OPTIONS,
    Ack,
    Auth,
    Cancel,
    Message,
    Mode,
    Options,
    Ping,
    Request,
    Resume,
    Subscribe,
    Unsubscribe,
)
from streamer.registry import Registry
from streamer.telemetry import audit
from streamer.telemetry.metrics import Metrics

UNKNOWN: Final = "unknown"
"""Label of messages that name no action that is registered."""
BUSY_AFTER_MS: Final = 1_000
CONTROL: Final[Sequence[type[Message]]] = (Ping, Cancel, Resume, Subscribe, Unsubscribe, Ack, Auth)
"""Frames that are no requests; in the metrics each goes by its name."""
AT_ANY_TIME: Final = (Auth, Ping)
"""What may be said though the token has expired."""

Answer = Callable[[Connection, Any], Coroutine[Any, Any, None]]
"""Answers one type of frame that is no request; an error is its refusal."""


class Dispatch:
    """Judges frames, and hands them to whoever answers them."""

    def __init__(
        self,
        *,
        registry: Registry,
        metrics: Metrics,
        inline: Inline,
        submits: Submits,
        cancels: Cancels,
        resumes: Resumes,
        watches: Watches,
        inboxes: Inboxes,
        renewals: Renewals,
        max_in_flight: int,
        threshold_s: float,
    ) -> None:
        self._known = {name: Known(registry.get(name), Meter(metrics, name), threshold_s) for name in registry.names()}
        self._refused = Meter(metrics, UNKNOWN).refused
        self._counted = {kind: metrics.control_frames.labels(kind.__name__.lower()) for kind in CONTROL}
        self._answers: Mapping[type[Message], Answer] = {
            Cancel: cancels.cancel,
            Resume: resumes.resume,
            Subscribe: watches.subscribe,
            Unsubscribe: watches.unsubscribe,
            Ack: inboxes.ack,
            Auth: renewals.renew,
        }
        self._inline = inline
        self._submits = submits
        self._max_in_flight = max_in_flight
        self._threshold_s = threshold_s

    def take(self, connection: Connection, text: str | None) -> Awaitable[None] | None:
        """Answers a frame (None: a binary one). Returns None when that is done; else await the rest in this task.

        Never raises: whatever goes wrong is an `error` frame.
        """
        wait_ms = connection.allowance.take(time.monotonic())
        message: Message | None = None
        try:
            if wait_ms and self._is_too_much(connection):
                return None
            if text is None:
                raise InvalidMessage("Binary frames are not understood.")  # noqa: TRY301  # the hot path: no call for it
            message = codec.parse(text)
            if wait_ms:
                raise RateLimited(after_ms=wait_ms)  # noqa: TRY301  # as above
            if connection.is_expired and type(message) not in AT_ANY_TIME:
                raise Unauthorized("The token has expired: send a new one.")  # noqa: TRY301  # as above
            if type(message) is Request:
                return self._request(connection, message, text)
            return self._control(connection, message)
        except Exception as error:  # noqa: BLE001  # the seam to what an action checks by its own code
            self._refuse(connection, message, error)
            return None

    def _control(self, connection: Connection, message: Message) -> Awaitable[None] | None:
        if isinstance(message, Ping):
            self._counted[Ping].inc()
            connection.outbox.put(frames.pong(message.ping_id, time.time()))
            return None
        if connection.in_flight >= self._max_in_flight and not isinstance(message, Auth):
            raise self._busy()
        self._counted[type(message)].inc()
        return stepping.start(self._answers[type(message)](connection, message))

    def _is_too_much(self, connection: Connection) -> bool:
        """A message over the limit. Whether that was one too many: then the connection is closed."""
        if connection.allowance.is_abused(time.monotonic()):
            connection.outbox.close(Close.TOO_MANY_MESSAGES, "too many messages over the limit")
            return True
        return False

    def settle(self) -> None:
        """Counts what was answered since the last time; at least every second, and before anybody looks."""
        for known in self._known.values():
            if known.meter.answered_s:
                known.meter.settle()

    def _request(self, connection: Connection, message: Request, text: str) -> Awaitable[None] | None:
        known = self._known.get(message.action)
        if known is None:
            raise InvalidAction
        action = known.action
        if action.permission is not None and not connection.principal.may(action.permission):
            raise Forbidden
        if connection.in_flight >= self._max_in_flight:
            raise self._busy()
        request = action.validate(message.payload)
        queued = known.always if message.options is DEFAULT_OPTIONS else None
        if queued is None:
            queued = action.is_queued(request, _mode(message.options), self._threshold_s)
        if queued:
            return stepping.start(self._submits.submit(connection, known, message))
        return self._inline.start(connection, known, message, request, text)

    def _busy(self) -> RateLimited:
        return RateLimited(f"At most {self._max_in_flight} requests may wait at a time.", after_ms=BUSY_AFTER_MS)

    def _refuse(self, connection: Connection, message: Message | None, error: Exception) -> None:
        told = faults.told(error)
        connection.outbox.put(frames.refusal(told, _request_id(message, told), time.time()))
        known = self._known.get(message.action) if isinstance(message, Request) else None
        if isinstance(told, Forbidden | Unauthorized):
            _audit(connection, message, told)
        (self._refused if known is None else known.meter.refused).inc()


def _audit(connection: Connection, message: Message | None, told: StreamerError) -> None:
    action = message.action if isinstance(message, Request) else None
    frame = None if message is None else type(message).__name__.lower()
    about = {"frame": frame, "action": action, "request_id": _request_id(message, told)}
    audit.record("refused", connection.principal, result=told.code, **about)


def _mode(options: Options) -> Mode:
    """A delayed request is one for the queue, and so is a durable one: an inline answer is not stored."""
    if not (options.delay_ms or options.durable):
        return options.mode
    if options.mode is Mode.INLINE:
        raise InvalidMessage("A delayed or durable request cannot run inline.")
    return Mode.QUEUED


def _request_id(message: Message | None, error: StreamerError) -> str | None:
    if isinstance(message, Request | Cancel | Ack):
        return message.request_id
    if isinstance(message, Subscribe | Unsubscribe):
        return message.job_id
    return error.request_id if isinstance(error, InvalidMessage) else None
