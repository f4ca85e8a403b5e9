"""One run of an inline handler."""

import asyncio
import contextlib
import threading
import time
from dataclasses import dataclass
from typing import Literal

from app.answers import Key
from app.connection import Connection
from app.meters import Known
from streamer.context import Context
from streamer.jobs.model import Progress
from streamer.protocol import frames

Stop = Literal["timeout", "cancel", "leaving"]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all runs of a node share."""

    loop: asyncio.AbstractEventLoop
    thread: int  # of the loop
    live_s: float  # between two frames of progress


class Run:
    """What is known of a run, and where its progress goes (a `Reporter`): at most one frame per `live_s`.

    Fields: `key`, None where the client gave no id; `askers`, who gets the answer, once per asking; `ctx` and
    `task`, there while the handler waits for something (before, nobody can stop it; and a run that always pointed to
    its context, which points back, would leave every message to the garbage collector); `stopped`, why it was asked
    to stop, None while it was not; `ended`, its answer is known.
    """

    __slots__ = (
        "_newest",
        "_quiet_until",
        "_surroundings",
        "_timer",
        "askers",
        "ctx",
        "deadline",
        "ended",
        "key",
        "known",
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
        self.ended = False
        self._surroundings = surroundings
        self._newest: Progress | None = None  # waits for its turn
        self._quiet_until = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def stop(self, why: Stop) -> None:
        """Cancels the handler, once."""
        if self.stopped is None and self.task is not None:
            self.stopped = why
            if self.ctx is not None:
                self.ctx.cancelled = True
            self.task.cancel()

    def end(self) -> None:
        """Nothing is said any more but the answer."""
        self.ended = True
        self.ctx = None
        if self._timer is not None:
            self._timer.cancel()

    def progress(self, progress: Progress) -> None:
        """Takes the newest progress, from the loop or from a thread."""
        if threading.get_ident() == self._surroundings.thread:
            self._take(progress)
        else:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is listening
                self._surroundings.loop.call_soon_threadsafe(self._take, progress)

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
        frame = frames.inline_progress(self.request_id, newest, time.time())
        for asker in dict.fromkeys(self.askers):
            asker.outbox.put_newest(self.request_id, frame)
