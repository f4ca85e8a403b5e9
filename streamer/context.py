"""What a handler may see and do: the same inline on a node and queued in a worker."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Generator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import timedelta
from math import isnan
from typing import Any, Final, Literal, Protocol, TypedDict, Unpack

import orjson
import structlog
from pydantic_core import to_jsonable_python

from streamer.jobs import ids
from streamer.jobs.model import Progress

MAX_METADATA_BYTES: Final = 4_096
"""Of one progress, as JSON: it lies on the job's row, which should stay small."""
MAX_MESSAGE_CHARACTERS: Final = 1_000
MAX_CHUNK_BYTES: Final = 1 << 18
"""Of one piece of output, as JSON: a DynamoDB item holds 400 KB, a connection's outbox 1 MiB."""
MAX_CHECKPOINT_BYTES: Final = 1 << 20
"""As JSON; what a payload or a result may have."""


class Reporter(Protocol):
    """Who carries away what a handler tells. Everything is called on the loop or from a thread."""

    def progress(self, progress: Progress) -> None:
        """Takes the newest progress; never blocks, never raises."""
        ...

    def emit(self, data: bytes) -> Awaitable[None]:
        """Takes a piece of output, which is JSON. What is returned waits, if awaited, while too much is not stored;
        called from a thread, it has waited. Raises CancelledError where the run is over."""
        ...

    def save_checkpoint(self, state: bytes) -> Awaitable[None]:
        """Keeps JSON for the next attempt, once what is returned was awaited; called from a thread, it is kept.
        Raises CancelledError where the run is over."""
        ...


class _Done:
    """Awaitable, and done already. No coroutine: whoever does not await it is not warned."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        yield from ()


DONE: Final[Awaitable[None]] = _Done()
_CALLS: Final = threading.Lock()
"""Held while what several threads of one run may change is changed. One for all runs: an inline run pays for nothing
that it does not use."""


class SubmitOptions(TypedDict, total=False):
    """What may be said of a job beside its action and payload. Durations are seconds or a timedelta."""

    priority: Literal["high", "normal", "low"]  # "normal"
    delay: float | timedelta  # 0; not to be started before, at most a day
    expires_in: float | timedelta | None  # None; without an outcome by then, it fails with TIMEOUT
    metadata: Mapping[str, Any] | None  # None; what its handler sees as ctx.metadata, at most 4 KiB of JSON
    durable: bool  # False; keep its outcome in the user's inbox until it is acknowledged


@dataclass(frozen=True, slots=True)
class Submitted:
    """A job that was submitted: `request_id`, by which its user knows it, and `job_id`.

    Stored once it was awaited, which gives it again; from a thread it is stored already.
    """

    request_id: str
    job_id: str
    _stored: Awaitable[None] = field(default=DONE, repr=False, compare=False)

    def __await__(self) -> Generator[Any, Any, "Submitted"]:
        yield from self._stored.__await__()
        return Submitted(self.request_id, self.job_id)


class Submitter(Protocol):
    """Who stores the jobs that a handler starts. Called on the loop or from a thread."""

    def submit(
        self, tenant: str, user: str, client_id: str, action: str, payload: Any, options: SubmitOptions
    ) -> Awaitable[None] | Future[None]:
        """Checks everything, then stores the job: on the loop, when what is returned is awaited; else it is under way,
        and what is returned can be waited for by a thread."""
        ...


class Context:
    """One run of a handler: who asked for what, and ways to tell how far it is and what it has made.

    * `request_id`: the id by which the caller knows the request; `user` and `tenant`: the caller
    * `action`: its name; `attempt`: the number of this run, from 1; always 1 inline
    * `metadata`: what the caller sent along, or None
    * `deadline`: Unix seconds at which this run is stopped, or None
    * `state`: what the function under `@streamer.lifespan` yielded, or None
    * `checkpoint`: what an earlier attempt saved last, or None; always None inline
    * `cancelled`: True once nobody waits for this run any more; for a `def` handler to look at, whose thread
      cannot be stopped (an `async def` handler gets CancelledError instead). Written by who runs the handler.
    """

    __slots__ = (
        "_is_cancelled",
        "_log",
        "_percentage",
        "_reporter",
        "_submits",
        "_submitter",
        "_waits",
        "action",
        "attempt",
        "checkpoint",
        "connection_id",
        "deadline",
        "job_id",
        "metadata",
        "request_id",
        "state",
        "tenant",
        "user",
    )

    def __init__(
        self,
        request_id: str,
        user: str,
        tenant: str,
        action: str,
        *,
        attempt: int = 1,
        metadata: Mapping[str, Any] | None = None,
        deadline: float | None = None,
        state: Any = None,
        checkpoint: Any = None,
        reporter: Reporter | None = None,
        connection_id: str | None = None,
        job_id: str | None = None,
        submitter: Submitter | None = None,
    ) -> None:
        self.request_id = request_id
        self.user = user
        self.tenant = tenant
        self.action = action
        self.attempt = attempt
        self.metadata = metadata
        self.deadline = deadline
        self.state = state
        self.checkpoint = checkpoint
        self.connection_id = connection_id  # None in a worker
        self.job_id = job_id  # None inline
        self._is_cancelled = False
        self._submitter = submitter  # None: what is submitted is not stored
        self._submits = 0  # calls of `submit` so far
        self._waits: tuple[Future[None], ...] = ()  # what threads wait for
        self._reporter = reporter  # None: what is told is checked, and goes nowhere
        self._percentage = 0.0
        self._log: structlog.typing.FilteringBoundLogger | None = None  # made when first asked for

    @property
    def cancelled(self) -> bool:
        return self._is_cancelled

    @cancelled.setter
    def cancelled(self, is_cancelled: bool) -> None:
        self._is_cancelled = is_cancelled
        for stored in self._waits:
            stored.cancel()

    @property
    def log(self) -> structlog.typing.FilteringBoundLogger:
        """A structlog logger that adds request id, action, attempt, and the job or connection to every event."""
        if self._log is None:
            place = {"job_id": self.job_id, "connection_id": self.connection_id}
            self._log = structlog.get_logger("streamer.action").bind(
                request_id=self.request_id,
                action=self.action,
                attempt=self.attempt,
                **{name: value for name, value in place.items() if value is not None},
            )
        return self._log

    def progress(self, percentage: float, message: str = "", /, **metadata: Any) -> Awaitable[None]:
        """Tells how far this run is. The newest replaces the one before; it may be the only one that is sent.

        Recorded when the call returns: `await ctx.progress(..)` and, from a thread, plain `ctx.progress(..)` are
        the same. `percentage` is held between 0 and 100 and never falls within a run; `message` is cut after 1,000
        characters. Raises ValueError for NaN, and for metadata that is not JSON or is over 4 KiB of it.
        """
        value = float(percentage)
        if isnan(value):
            raise ValueError("percentage must be a number, not NaN")
        self._percentage = min(100.0, max(self._percentage, value))
        progress = Progress(self._percentage, _text(message), _snapshot(metadata) if metadata else None)
        if self._reporter is not None:
            self._reporter.progress(progress)
        return DONE

    def emit(self, data: Any, /) -> Awaitable[None]:
        """A piece of output: they arrive in order, and none is lost.

        Recorded as it is when the call returns. `await ctx.emit(..)` also waits while over 256 KiB of output is not
        stored yet; from a thread, plain `ctx.emit(..)` does. `data`: JSON values, models, dataclasses.
        Raises ValueError where it is none of these or over 256 KiB of JSON, CancelledError where the run was stopped.
        """
        self._require_running()
        encoded = _encoded(data, "output", MAX_CHUNK_BYTES)
        return DONE if self._reporter is None else self._reporter.emit(encoded)

    def save_checkpoint(self, state: Any, /) -> Awaitable[None]:
        """Where the next attempt of this job should go on, should this one fail: its `ctx.checkpoint` is `state`, and
        the output emitted so far stands; without a checkpoint the next attempt begins anew.

        Stored when `await ctx.save_checkpoint(..)` returns; from a thread, when plain `ctx.save_checkpoint(..)` does.
        Inline it is checked, and kept nowhere. Raises ValueError where `state` is not JSON or over 1 MiB of it,
        CancelledError where the run was stopped.
        """
        self._require_running()
        encoded = _encoded(state, "a checkpoint", MAX_CHECKPOINT_BYTES)
        return DONE if self._reporter is None else self._reporter.save_checkpoint(encoded)

    def submit(
        self,
        action: str,
        payload: Any = None,
        /,
        *,
        id: str | None = None,  # noqa: A002  # the word of the protocol
        **options: Unpack[SubmitOptions],
    ) -> Submitted:
        """Starts a job of the same user and tenant. `payload`: JSON values, models, dataclasses.

        Stored when `await ctx.submit(..)` returns; from a thread, when plain `ctx.submit(..)` does. A worker is told
        then. `id`: by which the user knows it; None: this job's id and the number of the call in this run, so an
        attempt that runs again finds what the one before it started. Permissions and quotas are not asked.

        Raises, before anything is stored: InvalidAction, InvalidPayload, ValueError for options or an id that cannot
        be, CancelledError where the run was stopped. Then: DuplicateRequest where the id has another action or
        payload, PayloadTooLarge, StoreUnavailable after trying for 30 s.
        """
        self._require_running()
        client_id = self._next_id() if id is None else id
        submitted = Submitted(client_id, ids.job_id(self.tenant, self.user, client_id))
        if self._submitter is None:
            return submitted
        stored = self._submitter.submit(self.tenant, self.user, client_id, action, payload, options)
        if isinstance(stored, Future):
            self._wait_for(stored)
            return submitted
        return Submitted(submitted.request_id, submitted.job_id, stored)

    def _next_id(self) -> str:
        with _CALLS:
            self._submits += 1
            number = self._submits
        parent = self.job_id or ids.job_id(self.tenant, self.user, self.request_id)
        return f"{parent}.{number}"

    def _wait_for(self, stored: Future[None]) -> None:
        """Blocks this thread, until the run is stopped."""
        with _CALLS:
            self._waits = (*self._waits, stored)
        if self._is_cancelled:  # before it was among those that are woken
            stored.cancel()
        try:
            stored.result()
        except concurrent.futures.CancelledError as error:
            raise asyncio.CancelledError from error
        finally:
            with _CALLS:
                self._waits = tuple(each for each in self._waits if each is not stored)

    def _require_running(self) -> None:
        """Whoever did not hear that it was stopped hears it here: a thread, or one that went on all the same."""
        if self.cancelled:
            raise asyncio.CancelledError


def _text(message: str) -> str:
    text = str(message)[:MAX_MESSAGE_CHARACTERS]
    text.encode()  # a lone surrogate raises here, in the handler, not later where frames are made
    return text


def _snapshot(metadata: Mapping[str, Any]) -> Any:
    """Metadata as it is now, whatever the handler does to its lists afterwards."""
    return orjson.loads(_encoded(metadata, "progress metadata", MAX_METADATA_BYTES))


def _encoded(value: Any, what: str, max_bytes: int) -> bytes:
    try:
        encoded = orjson.dumps(value, default=to_jsonable_python)
    except orjson.JSONEncodeError as error:
        raise ValueError(f"{what} must be JSON: {error}") from error
    if len(encoded) > max_bytes:
        raise ValueError(f"{what} is over {max_bytes} bytes of JSON")
    return encoded
