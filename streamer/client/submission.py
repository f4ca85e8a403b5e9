"""One open request, seen by the one who asked."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, Final

from streamer.client.errors import ConnectionLost
from streamer.client.events import Acknowledged, Cancelling, Event, Failed, Outcome, ProgressEvent, Response

UNREAD: Final = 64
"""Events that wait for a slow reader before progress is coalesced; the server's outbox has the same bound."""


class Submission:
    """A request on its way. Iterate it for its events, await it for its result, or both.

    * `async for event in submission`: every event, the outcome last. One reader; progress that it leaves unread
      is coalesced, nothing else is. Raises ConnectionLost.
    * `await submission`: the result. Raises RequestFailed, ConnectionLost. As often as you like.
    """

    def __init__(self, request_id: str, send_cancel: Callable[[str], None]) -> None:
        self.request_id = request_id
        self.acknowledged: Acknowledged | None = None  # set once the job is stored; None for an inline action
        self._outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()  # or ConnectionLost
        self._send_cancel = send_cancel
        self._cancel: asyncio.Future[None] | None = None  # an unanswered cancel frame
        self._refusal: Failed | None = None  # answers either the request or the cancel: the next frame tells
        self._unread: deque[Event] = deque()
        self._news = asyncio.Event()  # set when there is something unread, or the end

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._outcome.done()

    async def result(self) -> Any:
        """What the action answered. Raises RequestFailed, ConnectionLost."""
        outcome = await asyncio.shield(self._outcome)
        if isinstance(outcome, Failed):
            raise outcome.error.as_exception()
        return outcome.data if isinstance(outcome, Response) else outcome.result

    async def cancel(self) -> None:
        """Asks the server to stop the request; returns when it has answered.

        The outcome says what came of it: RequestFailed with code CANCELLED, or the result if that was faster.
        Raises RequestFailed where the server refuses to hear the wish, ConnectionLost.
        """
        if self.done:
            return
        if self._cancel is None:
            self._cancel = asyncio.get_running_loop().create_future()
            self._send_cancel(self.request_id)
        await asyncio.shield(self._cancel)

    def __await__(self) -> Generator[Any, None, Any]:
        return self.result().__await__()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
        while not self._unread:
            if self._outcome.done():
                self._outcome.result()  # raises ConnectionLost where there is none
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._unread.popleft()

    # --- called by the session, for every frame of this request ----------------------------------------------

    def take(self, event: Event) -> None:
        """The next event of this request."""
        match event:
            case Failed(final=False):
                self._take_refusal(event)
            case Acknowledged():
                self._take_acknowledgment(event)
            case Cancelling():
                self._answer_cancel(None)
                self._tell(event)
            case ProgressEvent() if self._coalesces():
                self._unread[-1] = event
            case _ if isinstance(event, Outcome):
                self._end(event)
            case _:
                self._tell(event)

    def lose(self, loss: ConnectionLost) -> None:
        """The connection ended before the outcome came."""
        _fail(self._outcome, loss)
        self._answer_cancel(loss)
        self._news.set()

    def _take_acknowledgment(self, event: Acknowledged) -> None:
        self.acknowledged = event
        self._tell(event)
        if self._refusal is not None:
            self._answer_cancel(self._refusal.error.as_exception())
            self._refusal = None

    def _take_refusal(self, event: Failed) -> None:
        if self.acknowledged is not None:  # the request stands, so it is the cancel that was refused
            self._answer_cancel(event.error.as_exception())
        elif self._cancel is None or self._refusal is not None:
            self._end(self._refusal or event)
        else:
            self._refusal = event

    def _end(self, outcome: Outcome) -> None:
        self._outcome.set_result(outcome)
        self._tell(outcome)
        self._answer_cancel(None)

    def _tell(self, event: Event) -> None:
        self._unread.append(event)
        self._news.set()

    def _coalesces(self) -> bool:
        return len(self._unread) >= UNREAD and isinstance(self._unread[-1], ProgressEvent)

    def _answer_cancel(self, error: Exception | None) -> None:
        cancel, self._cancel = self._cancel, None
        if cancel is None:
            return
        if error is None:
            cancel.set_result(None)
        else:
            _fail(cancel, error)


def _fail(future: asyncio.Future[Any], error: Exception) -> None:
    future.set_exception(error)
    future.exception()  # counts as seen: nobody has to wait for it
