"""A client's connection to the service, and its open requests."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from streamer.client import asking
from streamer.client.control import Offer, Welcome
from streamer.client.errors import ConnectionLost, Unwatched
from streamer.client.keeper import Keeper
from streamer.client.requests import Requests
from streamer.client.submission import Submission, Way
from streamer.jobs import ids


class Session:
    """Calls actions and watches jobs; made by `connect`. Any number of requests may be open at once.

    It outlives its sockets: when one is lost it opens another, and every open request goes on where it was. What is
    submitted meanwhile is sent then. Only when it cannot come back, or is closed, does every open request raise
    ConnectionLost.
    """

    def __init__(self, keeper: Keeper, requests: Requests) -> None:
        self.lost: ConnectionLost | None = None  # why nothing works any more; set once, when the keeper has ended
        self._keeper = keeper
        self._requests = requests
        self._task: asyncio.Task[None]  # keeps the session connected; made by `start`

    @property
    def welcome(self) -> Welcome:
        """What the newest node said first."""
        return self._keeper.identity.welcome

    @property
    def connection_id(self) -> str:
        """This client's place to receive, as the server calls it; it stays the same when the socket changes."""
        return self._keeper.identity.connection_id

    @property
    def token_expires_at(self) -> float | None:
        """When the token that the newest node has expires, in Unix seconds; None where that is not said."""
        return self._keeper.identity.token_expires_at

    @property
    def inbox(self) -> Sequence[Offer]:
        """The outcomes of durable requests that the newest node offered, less those that were acknowledged since."""
        return tuple(self._keeper.identity.inbox)

    async def call(
        self,
        action: str,
        payload: Any = None,
        *,
        id: str | None = None,  # noqa: A002  # the protocol's word
        options: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
        timeout_s: float | None = None,
    ) -> Any:
        """Calls an action, inline or queued, and returns what it answers.

        Raises RequestFailed, ConnectionLost, and TimeoutError after `timeout_s`; the request then goes on at the
        server, and the same `id` asks for it again.
        """
        submission = self.submit(action, payload, id=id, options=options, metadata=metadata)
        try:
            async with asyncio.timeout(timeout_s):
                return await submission
        finally:
            self._requests.forget(submission)

    def submit(
        self,
        action: str,
        payload: Any = None,
        *,
        id: str | None = None,  # noqa: A002  # the protocol's word
        options: Mapping[str, Any] | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Submission:
        """Sends a request and returns at once; see Submission for what to do with it.

        `id` is the idempotency key (made here if None). With `options={"durable": True}` the outcome is kept in the
        inbox until `ack`. Raises ConnectionLost if the session has ended, ValueError if the id is not one or a
        request of that id is open, TypeError if the payload is not JSON.
        """
        request_id = ids.uuid7(time.time_ns() // 1_000_000) if id is None else id
        frame = asking.request(request_id, action, payload, options, metadata)
        submission = self._open(request_id, Way.REQUEST, frame)
        self._ask(submission)
        return submission

    def resume(self, request_id: str) -> Submission:
        """A request of this user that an earlier life of this program sent: its chunks from the first one on, its
        newest progress and its outcome. Of an inline request there is nothing: NOT_FOUND.

        Raises ConnectionLost if the session has ended, ValueError if the id is not one or is open.
        """
        submission = self._open(request_id, Way.RESUME)
        self._ask(submission)
        return submission

    def watch(self, job_id: str, events: Collection[str] | None = None) -> Submission:
        """The events of a job, whoever in this tenant submitted it; its `request_id` here is the job id.

        `events`: the frame types that are wanted (progress, chunk, retrying), None: all; the outcome comes in any
        case. Raises ConnectionLost if the session has ended, ValueError if the id is not one or is open.
        """
        submission = self._open(job_id, Way.WATCH, wants=events)
        self._ask(submission)
        return submission

    def unwatch(self, job_id: str) -> None:
        """Stops watching; see `Submission.unwatch`. Nothing happens where the job is not watched (any more)."""
        submission = self._requests.get(job_id)
        if submission is not None:
            submission.unwatch()

    def ack(self, request_id: str) -> None:
        """Takes the outcome of a durable request off the inbox, now or when there is a socket again.

        Nobody does that by himself: call it when what the outcome is for has been done. Raises ConnectionLost if
        the session has ended, ValueError if the id is not one.
        """
        self._check(request_id)
        self._keeper.identity.ack(request_id)
        visit = self._keeper.visit
        if visit is not None and visit.is_settled:
            visit.send(asking.ack(request_id))

    async def ping(self) -> float:
        """Asks the node for a sign of life; returns the seconds that it took.

        Raises ConnectionLost where there is no socket at the moment or it is lost meanwhile; the session may well
        live on.
        """
        visit = self._keeper.visit
        if self.lost is not None or visit is None:
            loss = self.lost or self._keeper.loss
            raise ConnectionLost(loss.code, loss.reason)
        return await visit.ping()

    # --- called by connect -----------------------------------------------------------------------------------

    def start(self) -> None:
        self._task = asyncio.create_task(self._live(), name="streamer-client")

    async def close(self) -> None:
        """Sends what was submitted, then closes the socket. Open requests raise ConnectionLost."""
        task, visit = self._task, self._keeper.visit
        self._keeper.stop()
        try:
            if visit is None:
                task.cancel()
            else:
                await visit.leave()
            await asyncio.wait({task})
        finally:
            task.cancel()  # in vain unless closing itself was cancelled
        if not task.cancelled():
            task.result()  # raises a fault of ours

    async def _live(self) -> None:
        loss: ConnectionLost | None = None
        try:
            loss = await self._keeper.run()
        finally:
            self.lost = loss or self._keeper.loss
            self._requests.lose(self.lost)

    def _ask(self, submission: Submission) -> None:
        visit = self._keeper.visit
        if visit is not None and visit.is_open:
            visit.ask(submission)
        else:
            submission.postpone()

    # --- called by submissions -------------------------------------------------------------------------------

    def _cancel(self, submission: Submission) -> None:
        visit = self._keeper.visit
        if visit is not None and visit.is_open:
            visit.cancel(submission)

    def _unwatch(self, submission: Submission) -> None:
        if submission.way is not Way.WATCH:
            raise ValueError(f"request {submission.request_id} is not watched: it was sent from here")
        if submission.done:
            return
        visit = self._keeper.visit
        self._requests.forget(submission)
        submission.lose(Unwatched("This client stopped watching."))
        if visit is not None and visit.is_settled:
            visit.send(asking.unsubscribe(submission.request_id))

    def _open(self, request_id: str, way: Way, frame: bytes = b"", wants: Collection[str] | None = None) -> Submission:
        self._check(request_id)
        submission = Submission(
            request_id, way=way, asking=frame, wants=wants, send_cancel=self._cancel, send_unwatch=self._unwatch
        )
        self._requests.add(submission)
        return submission

    def _check(self, request_id: str) -> None:
        if self.lost is not None:
            raise ConnectionLost(self.lost.code, self.lost.reason) from self.lost.__cause__
        if not ids.CLIENT_ID.fullmatch(request_id):
            raise ValueError(f"{request_id!r} is not an id: 1 to 128 letters, digits or . _ : ~ -")
