"""Frames whose refusal names no request."""

import asyncio
import logging
from typing import Final

from streamer.client.clock import Clock
from streamer.client.events import Problem
from streamer.client.link import Link

log = logging.getLogger(__name__)

ANSWER_S: Final = 60.0
"""For the answer to a `resume` or an `auth`. A node that gives none is left: another may know more."""


class Dialogue:
    """Has one of them under way at a time, so that it is plain which one was refused."""

    def __init__(self, link: Link, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._turn = asyncio.Lock()
        self._heeded_by = ""  # the type of the frame that says so of the newest question
        self._answer: asyncio.Future[Problem | None] | None = None  # to the newest question; None: there was none

    async def ask(self, frame: bytes, *, heeded_by: str) -> Problem | None:
        """Returns when the frame was answered: None where it was heeded, which a frame of that type says."""
        async with self._turn:
            answer: asyncio.Future[Problem | None] = asyncio.get_running_loop().create_future()
            self._answer, self._heeded_by = answer, heeded_by
            self._link.send(frame)
            await self._clock.within(ANSWER_S, _end_of(answer))
            if not answer.done():
                log.warning("The node owes an answer (`%s`, or a refusal). Reconnecting.", heeded_by)
                self._link.abort()
            return await answer

    def heeded(self, by: str) -> None:
        """The node sent a frame of this type."""
        if by == self._heeded_by:
            self._end(None)

    def refused(self, problem: Problem) -> bool:
        """False where no question waits for its answer."""
        return self._end(problem)

    def _end(self, problem: Problem | None) -> bool:
        if self._answer is None or self._answer.done():
            return False
        self._answer.set_result(problem)
        return True


async def _end_of(answer: asyncio.Future[Problem | None]) -> None:
    await asyncio.wait([answer])
