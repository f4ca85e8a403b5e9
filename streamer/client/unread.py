"""The events of one submission that wait to be read."""

import asyncio
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from streamer.client.events import Event, ProgressEvent

COALESCED_FROM: Final = 64
"""Unread events before a newer progress replaces the one before it; the server's outbox has the same bound."""
KEPT: Final = 1_000
"""Unread events before something gives way: with a reader the socket is not read on, without one the oldest go."""


class Unread:
    """A queue between the session, which puts, and whoever iterates the submission.

    * While somebody iterates, nothing but progress is ever left out; over KEPT it is full, and whoever puts is to
      wait for `room` before the next event.
    * While nobody does, the newest KEPT events are kept for somebody who may; `dropped` counts the others. So the
      outcome, which comes last, is always kept.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._events: deque[Event] = deque()
        self._readers = 0
        self._ended = False  # nothing will be put any more
        self._news = asyncio.Event()  # there is something unread, or the end
        self._room = asyncio.Event()  # it may be not full any more

    def put(self, event: Event) -> None:
        if self._replaces(event):
            self._events[-1] = event
        else:
            self._events.append(event)
            self._bound()
        self._news.set()

    def end(self) -> None:
        """What is unread can still be read."""
        self._ended = True
        self._news.set()
        self._room.set()

    @property
    def is_full(self) -> bool:
        return self._readers > 0 and len(self._events) > KEPT and not self._ended

    async def room(self) -> None:
        """Returns when it is not full, because of its reader or because that one has gone."""
        while self.is_full:
            self._room.clear()
            await self._room.wait()

    async def get(self) -> Event | None:
        """The oldest event; None after the last one."""
        while not self._events:
            if self._ended:
                return None
            self._news.clear()
            await self._news.wait()
        event = self._events.popleft()
        self._room.set()
        return event

    @contextmanager
    def reader(self) -> Iterator[None]:
        """Somebody iterates, for as long as this lasts."""
        self._readers += 1
        try:
            yield
        finally:
            self._readers -= 1
            self._bound()
            self._room.set()

    def _bound(self) -> None:
        while not self._readers and len(self._events) > KEPT:
            self._events.popleft()
            self.dropped += 1

    def _replaces(self, event: Event) -> bool:
        if len(self._events) < COALESCED_FROM:
            return False
        return isinstance(event, ProgressEvent) and isinstance(self._events[-1], ProgressEvent)
