"""What a handler may see and do: the same inline on a node and queued in a worker."""

import asyncio
from collections.abc import Awaitable, Generator, Mapping
from math import isnan
from typing import Any, Final, Protocol

import orjson
import structlog
from pydantic_core import to_jsonable_python

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
        "_log",
        "_percentage",
        "_reporter",
        "action",
        "attempt",
        "cancelled",
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
        self.cancelled = False
        self._reporter = reporter  # None: what is told is checked, and goes nowhere
        self._percentage = 0.0
        self._log: structlog.typing.FilteringBoundLogger | None = None  # made when first asked for

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
