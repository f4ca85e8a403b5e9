"""One run of an inline handler."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from app.answers import Key
from app.connection import Connection
from app.meters import Known
from app.promotion import Promotion
from streamer.context import DONE, Context
from streamer.errors import ActionError, ResultTooLarge
from streamer.jobs.model import Progress
from streamer.protocol import frames

Stop = Literal["timeout", "cancel", "leaving", "promote"]

MAX_OUTPUT_BYTES: Final = 1 << 20
"""Of one run: it is kept for those who join."""
PIECE_BYTES: Final = 128
"""What a frame of output has beside its data, about."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all runs of a node share."""

    loop: asyncio.AbstractEventLoop
    thread: int  # of the loop
    live_s: float  # between two frames of progress
    start: Callable[[Coroutine[Any, Any, None], str], None]  # a task of this name, that the node owns


@dataclass(slots=True)
class Lag:
    """What a connection's socket did not take at once."""

    next: int  # index of the first piece that it does not have
    answers: list[bytes] = field(default_factory=list)  # what follows the last piece


class Output:
    """The pieces that a run has emitted, and who has them. A socket takes what it can at once; the rest is pulled by a
    task of its own, so that no burst is too much for an outbox."""

    __slots__ = ("_frames", "_lags", "_request_id", "_surroundings")

    def __init__(self, request_id: str, surroundings: Surroundings) -> None:
        self._request_id = request_id
        self._surroundings = surroundings
        self._frames: list[bytes] = []
        self._lags: dict[Connection, Lag] = {}

    def add(self, data: bytes, askers: Iterable[Connection]) -> None:
        """The next piece, for those of the askers that get chunks."""
        index = len(self._frames)
        self._frames.append(frames.inline_chunk(self._request_id, index, data, time.time()))
        for asker in dict.fromkeys(askers):
            if asker not in self._lags:
                self.send(asker, index)

    def send(self, asker: Connection, start: int) -> None:
        """What there is from piece `start` on, and what comes while that is on its way."""
        lag = Lag(start)
        if asker.speaks_v1 and not self._push(asker, lag):
            self._lags[asker] = lag
            self._surroundings.start(self._pull(asker, lag), f"inline output {asker.connection_id}")

    def answer(self, asker: Connection, frame: bytes) -> None:
        """The frame that follows the last piece."""
        lag = self._lags.get(asker)
        if lag is None:
            asker.outbox.put(frame)
        else:
            lag.answers.append(frame)

    def _push(self, asker: Connection, lag: Lag) -> bool:
        """Whether the socket took all, or is gone."""
        while lag.next < len(self._frames) and asker.outbox.writer is None:
            asker.outbox.put(self._frames[lag.next])
            lag.next += 1
        return lag.next == len(self._frames) or asker.outbox.closed

    async def _pull(self, asker: Connection, lag: Lag) -> None:
        while not self._push(asker, lag):
            await asker.outbox.ready()
        del self._lags[asker]
        for frame in lag.answers:
            asker.outbox.put(frame)


class Run:
    """What is known of a run, and where that goes which its handler tells (a `Reporter`): progress as at most one frame
    per `live_s`, output at once, checkpoints nowhere.

    Fields: `key`, None where the client gave no id; `askers`, who gets the answer, once per asking; `ctx` and
    `task`, there while the handler waits for something (before, nobody can stop it; and a run that always pointed to
    its context, which points back, would leave every message to the garbage collector); `stopped`, why it was asked
    to stop, None while it was not; `promotion`, None where it is never queued; `ended`, its answer is known, or is not
    given by this run.
    """

    __slots__ = (
        "_emitted",
        "_newest",
        "_output",
        "_quiet_until",
        "_surroundings",
        "_timer",
        "askers",
        "ctx",
        "deadline",
        "ended",
        "key",
        "known",
        "promotion",
        "question",
        "request_id",
        "started",
        "stopped",
        "task",
    )

    def __init__(
        self,
        known: Known,
        request_id: str,
        key: Key | None,
        question: str,
        asker: Connection,
        surroundings: Surroundings,
        started: float,
        deadline: float,
    ) -> None:
        self.known = known
        self.request_id = request_id
        self.key = key
        self.question = question
        self.askers = [asker]
        self.started = started  # monotonic seconds
        self.ctx: Context | None = None
        self.task: asyncio.Task[None] | None = None
        self.deadline = deadline
        self.stopped: Stop | None = None
        self.promotion: Promotion | None = None
        self.ended = False
        self._surroundings = surroundings
        self._emitted = 0  # bytes
        self._output: Output | None = None  # made by the first piece
        self._newest: Progress | None = None  # waits for its turn
        self._quiet_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def stop(self, why: Stop) -> None:
        """Cancels the handler, once. A client's cancel comes before being queued."""
        if self.stopped == "promote" and why == "cancel":
            self.stopped = why
        elif self.stopped is None and self.task is not None:
            self.stopped = why
            if self.ctx is not None:
                self.ctx.cancelled = True
            self.task.cancel()

    def promote(self) -> None:
        """Stops the handler so that the request can be queued. Nothing happens where output of it is on its way."""
        if not self._emitted:
            self.stop("promote")

    def hand_over(self) -> list[Connection]:
        """Ends without an answer: those who asked, whom somebody else will tell."""
        askers, self.askers = self.askers, []
        self.end(b"")
        return askers

    def join(self, asker: Connection) -> None:
        """The same request again: it gets the answer too, and the output from its beginning."""
        if self._output is not None and asker not in self.askers:
            self._output.send(asker, 0)
        self.askers.append(asker)

    def end(self, answer: bytes) -> None:
        """Gives everybody who asked the answer; nothing is said any more."""
        self.ended = True
        for asker in self.askers:
            if self._output is None:
                asker.outbox.put(answer)
            else:
                self._output.answer(asker, answer)
        self.ctx = None
        if self._timer is not None:
            self._timer.cancel()

    def progress(self, progress: Progress) -> None:
        """Takes the newest progress, from the loop or from a thread."""
        self._on_loop(self._take, progress)

    def emit(self, data: bytes) -> Awaitable[None]:
        """Takes a piece of output, from the loop or from a thread. Raises ActionError over 1 MiB in all."""
        if self.ended:
            raise asyncio.CancelledError
        self._emitted += len(data) + PIECE_BYTES
        if self._emitted > MAX_OUTPUT_BYTES:
            name = self.known.action.name
            message = f'{name} emits over {MAX_OUTPUT_BYTES} bytes, which takes an action with mode="queued".'
            raise ActionError(ResultTooLarge.code, message)
        self._on_loop(self._say_piece, data)
        return DONE

    def save_checkpoint(self, _: bytes) -> Awaitable[None]:
        """There is no other attempt that could go on from it."""
        return DONE

    def _on_loop(self, take: Callable[[Any], None], what: Any) -> None:
        if threading.get_ident() == self._surroundings.thread:
            take(what)
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is listening
                self._surroundings.loop.call_soon_threadsafe(take, what)

    def _say_piece(self, data: bytes) -> None:
        if self.ended:
            return
        if self._output is None:
            self._output = Output(self.request_id, self._surroundings)
        self._output.add(data, self.askers)

    def _take(self, progress: Progress) -> None:
        if self.ended:
            return
        self._newest = progress
        wait_s = self._quiet_until - time.monotonic()
        if wait_s <= 0:
            self._say()
        elif self._timer is None:
            self._timer = self._surroundings.loop.call_later(wait_s, self._say)

    def _say(self) -> None:
        self._timer = None
        newest, self._newest = self._newest, None
        if newest is None or self.ended:
            return
        self._quiet_until = time.monotonic() + self._surroundings.live_s
        if self.promotion is not None:
            self.promotion.told = newest.percentage
        frame = frames.inline_progress(self.request_id, newest, time.time())
        for asker in dict.fromkeys(self.askers):
            asker.outbox.put_newest(self.request_id, frame)
