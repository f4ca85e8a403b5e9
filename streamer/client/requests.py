"""The open requests of a session."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from itertools import islice
from typing import Any, Final

from streamer.client.control import Resumed
from streamer.client.errors import ConnectionLost
from streamer.client.events import Event, Failed, Problem
from streamer.client.submission import Submission, Way

RESUMED_AT_ONCE: Final = 500
"""Requests that one `resume` frame names: with the longest ids it then is below 128 KiB."""
ASKED_AGAIN_AFTER_MS: Final = 1_000
"""Where a node refuses for now and does not say until when."""

log = logging.getLogger(__name__)


class Requests:
    """By id, until the outcome. Knows which of them the node of this socket still has to be asked for."""

    def __init__(self) -> None:
        self._open: dict[str, Submission] = {}
        self._unasked: dict[str, Submission] = {}  # those of which this node does not know that we wait
        self._to_ask = asyncio.Event()  # there may be some
        self._moved = asyncio.Event()  # something was answered

    def add(self, submission: Submission) -> None:
        """Raises ValueError if one of that id is open."""
        if submission.request_id in self._open:
            raise ValueError(f"a request {submission.request_id} is open on this connection")
        self._open[submission.request_id] = self._unasked[submission.request_id] = submission

    def get(self, request_id: str) -> Submission | None:
        return self._open.get(request_id)

    def forget(self, submission: Submission) -> None:
        """Nobody waits for it any more."""
        if self._open.get(submission.request_id) is submission:
            del self._open[submission.request_id]
            self._unasked.pop(submission.request_id, None)
            self._moved.set()

    # --- what the server says --------------------------------------------------------------------------------

    def take(self, event: Event) -> Coroutine[Any, Any, None] | None:
        """Hands the event to whom it is about. Where that one has more than it reads, the return value is to be
        awaited before the next one."""
        submission = self._open.get(event.request_id)
        if submission is None:
            return None  # of a call whose caller has gone
        submission.take(event)
        self._moved.set()
        if submission.done:
            self.forget(submission)
        return submission.room() if submission.is_full else None

    def resumed(self, answer: Resumed) -> Sequence[Submission]:
        """Those which the node answered for."""
        found = [each for each in map(self._open.get, answer.requests) if each is not None]
        for submission in found:
            submission.answered()
            if not answer.requests[submission.request_id]:
                log.warning("some chunks of request %s have expired", submission.request_id)
        return found

    def refuse(self, submissions: Sequence[Submission], problem: Problem) -> None:
        """Asking for these was refused."""
        for submission in submissions:
            if self._open.get(submission.request_id) is submission:
                self.take(Failed(request_id=submission.request_id, error=problem, final=False))

    def lose(self, loss: ConnectionLost) -> None:
        """No outcome will come to any of them."""
        for submission in self._open.values():
            submission.lose(loss)
        self._open.clear()
        self._unasked.clear()

    # --- what the server is to be asked for ------------------------------------------------------------------

    def detach(self) -> None:
        """The socket is lost: the next node has to be asked for everything."""
        for submission in self._open.values():
            submission.detach()
        self._unasked = dict(self._open)

    def ask_for(self, submission: Submission) -> None:
        """The node is to be asked for it as soon as there is one."""
        if submission.request_id in self._open:
            self._unasked[submission.request_id] = submission
            self._to_ask.set()

    def asked(self, submission: Submission) -> None:
        self._unasked.pop(submission.request_id, None)

    def to_resume(self) -> Sequence[Submission]:
        """The next ones that go into one `resume` frame."""
        unasked = self._unasked.values()
        resumable = (each for each in unasked if each.is_known and each.way is not Way.WATCH)
        return list(islice(resumable, RESUMED_AT_ONCE))

    def to_send(self) -> Sequence[Submission]:
        """Those which have a frame of their own."""
        return [each for each in self._unasked.values() if not each.is_known or each.way is Way.WATCH]

    async def wait_until_unasked(self) -> None:
        """Returns when there is somebody to ask for."""
        while not self._unasked:
            self._to_ask.clear()
            await self._to_ask.wait()

    async def settled(self) -> None:
        """Returns when no request is open that was sent and neither answered nor acknowledged."""
        while any(not each.is_known and name not in self._unasked for name, each in self._open.items()):
            self._moved.clear()
            await self._moved.wait()
