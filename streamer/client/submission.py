"""One open request, seen by the one who asked."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Collection, Generator
from enum import Enum
from typing import Any

from streamer.client.errors import ConnectionLost, Unwatched
from streamer.client.events import Acknowledged, Cancelling, Event, Failed, Outcome, Response
from streamer.client.position import Position
from streamer.client.unread import Unread

Send = Callable[["Submission"], None]


class Way(Enum):
    """How the session asks the server for the events of a request."""

    REQUEST = "request"  # by sending it, as often as it takes; once it is acknowledged, by `resume`
    RESUME = "resume"  # by its id: an earlier life of this program sent it
    WATCH = "subscribe"  # by the id of its job, which may be somebody else's


class Submission:
    """A request on its way. Iterate it for its events, await it for its result, or both.

    * `async for event in submission`: every event, the outcome last. One reader at a time; progress that it leaves
      unread is coalesced, nothing else is. More than 1,000 unread events stop the whole session from reading.
      While nobody iterates, only the newest 1,000 are kept; `dropped` counts the others.
    * `await submission`: the result. As often as you like.

    Both raise ConnectionLost where the session ends before the outcome came, `await` also RequestFailed and
    Unwatched. A lost socket alone is not noticed here: the events go on where they were.
    """

    def __init__(
        self,
        request_id: str,
        *,
        way: Way = Way.REQUEST,
        asking: bytes = b"",
        wants: Collection[str] | None = None,
        send_cancel: Send,
        send_unwatch: Send,
    ) -> None:
        self.request_id = request_id  # of a watched job: the job id
        self.way = way
        self.acknowledged: Acknowledged | None = None  # set once the job is stored; None for an inline action
        self.position = Position()
        self.asking = asking  # the frame of a REQUEST, until it is acknowledged
        self.wants = wants  # the frame types that a WATCH asks for; None: all
        self._is_answered = False  # the node of this socket has said that it knows of the request
        self._is_left_to_session = False  # which sends it when it can, and again where that is refused for now
        self._outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()  # or why there is none
        self._send_cancel = send_cancel
        self._send_unwatch = send_unwatch
        self._cancel: asyncio.Future[None] | None = None  # a cancel that was not answered yet
        self._refusal: Failed | None = None  # answers either the request or the cancel: the next frame tells
        self._unread = Unread()

    @property
    def done(self) -> bool:
        """Whether nothing more will come."""
        return self._outcome.done()

    @property
    def chunks(self) -> int:
        """How many pieces of output have arrived and stand; a new attempt may take some of them back."""
        return self.position.chunks

    @property
    def dropped(self) -> int:
        """How many events nobody has read and nobody can read any more."""
        return self._unread.dropped

    async def result(self) -> Any:
        """What the action answered. Raises RequestFailed, ConnectionLost, Unwatched."""
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
            self._send_cancel(self)
        await asyncio.shield(self._cancel)

    def unwatch(self) -> None:
        """Stops watching the job: the events end here, and whoever awaits the result gets Unwatched.

        Raises ValueError where this is a request of one's own.
        """
        self._send_unwatch(self)

    def __await__(self) -> Generator[Any, None, Any]:
        return self.result().__await__()

    async def __aiter__(self) -> AsyncGenerator[Event, None]:
        with self._unread.reader():
            while (event := await self._unread.get()) is not None:
                yield event
        if not isinstance(self._outcome.exception(), Unwatched):
            self._outcome.result()  # raises ConnectionLost where there is none

    # --- called by the session -------------------------------------------------------------------------------

    @property
    def is_known(self) -> bool:
        """Whether the server has the request stored, as far as this client knows; so it is not sent (again)."""
        return self.way is not Way.REQUEST or self.acknowledged is not None

    @property
    def wants_cancel(self) -> bool:
        """Whether a cancel waits for its answer, and the server can hear of it: it knows what to cancel."""
        return self._cancel is not None and (self._is_answered or not self.is_known)

    @property
    def is_full(self) -> bool:
        """Whether too much is unread to take more: wait for `room`."""
        return self._unread.is_full

    async def room(self) -> None:
        await self._unread.room()

    def take(self, event: Event) -> None:
        """The next event of this request, which may be a repeat."""
        match event:
            case Failed(final=False):
                self._take_refusal(event)
            case Acknowledged():
                self._take_acknowledgment(event)
            case Cancelling():
                self._answer_cancel(None)
                self._unread.put(event)
            case _ if isinstance(event, Outcome):
                self._end(event)
            case _ if self.position.admit(event):
                self._unread.put(event)

    def answered(self) -> None:
        """The node has said that it knows of the request, and sends what is to come."""
        self._is_answered = True

    def postpone(self) -> None:
        """There is no node to ask at the moment: the session asks for it on its own account."""
        self._is_left_to_session = True

    def detach(self) -> None:
        """The socket is lost: no node knows that we wait."""
        self.postpone()
        self._is_answered = False
        self._refusal = None

    def is_refused_for_now(self, refusal: Failed) -> bool:
        """Whether this only says that what the session asks on its own account is to be asked a little later."""
        is_of_the_asking = not self._is_answered and (self.is_known or self._cancel is None)
        is_for_now = refusal.error.retryable and not refusal.final
        return is_for_now and is_of_the_asking and self._is_left_to_session

    def lose(self, loss: ConnectionLost | Unwatched) -> None:
        """There will be no outcome here."""
        _fail(self._outcome, loss)
        self._answer_cancel(loss)
        self._unread.end()

    def _take_acknowledgment(self, event: Acknowledged) -> None:
        if self.acknowledged is None:
            self.acknowledged = event
            self.asking = b""
            self._unread.put(event)
        self.answered()
        if self._refusal is not None:
            self._answer_cancel(self._refusal.error.as_exception())
            self._refusal = None

    def _take_refusal(self, event: Failed) -> None:
        if self._is_answered:  # the request stands, so it is the cancel that was refused
            self._answer_cancel(event.error.as_exception())
        elif self.is_known or self._cancel is None or self._refusal is not None:
            self._end(self._refusal or event)
        else:
            self._refusal = event

    def _end(self, outcome: Outcome) -> None:
        self._outcome.set_result(outcome)
        self._unread.put(outcome)
        self._unread.end()
        self._answer_cancel(None)

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
