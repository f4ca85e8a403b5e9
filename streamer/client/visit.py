"""One stay of a session at a node, from its welcome to the end of the socket."""

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any

from streamer.client import asking, control, events
from streamer.client.clock import Clock
from streamer.client.control import Drain, Resumed
from streamer.client.dialogue import Dialogue
from streamer.client.errors import ConnectionLost
from streamer.client.events import Failed, Problem
from streamer.client.handshake import Opened
from streamer.client.identity import Identity
from streamer.client.link import Link
from streamer.client.renewal import Renewal
from streamer.client.requests import ASKED_AGAIN_AFTER_MS, Requests
from streamer.client.submission import Submission, Way
from streamer.client.tokens import Tokens

log = logging.getLogger(__name__)


class Visit:
    """Tells the node what the session waits for, hands on what the node says, and leaves when it is asked to.

    A session that comes back first says who it was, and until that is answered nothing else: the node takes a former
    connection id only while it knows of nothing that belongs to the new one.
    """

    def __init__(
        self, opened: Opened, tokens: Tokens, requests: Requests, identity: Identity, clock: Clock, *, may_leave: bool
    ) -> None:
        heartbeat_s = identity.welcome.heartbeat_ms / 1000
        self._link = Link(opened.socket, self._take, heartbeat_s=heartbeat_s, clock=clock)
        self._dialogue = Dialogue(self._link, clock)
        self._renewal = Renewal(tokens, opened.token, self._dialogue, clock)
        self._requests = requests
        self._identity = identity
        self._clock = clock
        self._may_leave = may_leave  # as the session can go elsewhere; else it stays until the node closes
        self.is_settled = identity.reconnects == 0  # the node knows who we are and what we wait for
        self.leaves_at: float | None = None  # by the clock; None: the node has not asked us to go
        self.has_left = False  # we went, as we were asked to
        self.is_over = False  # the socket is gone
        self._drain: asyncio.Future[Drain] = asyncio.get_running_loop().create_future()
        self._is_leaving = False
        self._aside: set[asyncio.Task[None]] = set()  # what ends with the socket
        self._group = asyncio.TaskGroup()

    @property
    def is_open(self) -> bool:
        """Whether new requests go to this node; else they wait for the next one."""
        return self.is_settled and not (self._is_leaving or self.is_over)

    async def run(self) -> ConnectionLost:
        """Serves until the socket is gone; returns how it ended. To be called once."""
        async with self._group:
            self._start(self._tell())
            self._start(self._go_when_asked())
            loss = await self._link.run()
            self.is_over = True
            for task in tuple(self._aside):
                task.cancel()
        return loss

    async def leave(self) -> None:
        """Sends what was given to send, then closes the socket; so `run` ends."""
        self._is_leaving = True
        await self._link.leave()

    async def ping(self) -> float:
        """Returns the seconds until the answer. Raises ConnectionLost if the socket ends before."""
        return await self._link.ping()

    # --- what we say -----------------------------------------------------------------------------------------

    def send(self, frame: bytes) -> None:
        self._link.send(frame)

    def ask(self, submission: Submission) -> None:
        """Asks for the request, now where that is a frame of its own, else with the next `resume`."""
        if submission.way is Way.RESUME:
            self._requests.ask_for(submission)
        else:
            self._send_asking(submission)

    def _send_asking(self, submission: Submission) -> None:
        self._requests.asked(submission)
        self._link.send(asking.subscribe(submission) if submission.way is Way.WATCH else submission.asking)
        self.cancel(submission)

    def cancel(self, submission: Submission) -> None:
        """Sends the wish to cancel, if there is one and the node can hear of it by now."""
        if submission.wants_cancel:
            self._link.send(asking.cancel(submission.request_id))

    async def _tell(self) -> None:
        if not self.is_settled:
            await self._introduce()
        while not self._is_leaving:
            while batch := self._requests.to_resume():
                await self._resume(batch)
            self._settle()
            await self._requests.wait_until_unasked()

    async def _introduce(self) -> None:
        """Says who we were; a node that does not resume knows us by the id of its welcome."""
        identity = self._identity
        if not await self._resume(self._requests.to_resume(), (identity.connection_id, identity.reconnects)):
            identity.connection_id = identity.welcome.connection_id

    def _settle(self) -> None:
        if not self.is_settled:
            self.is_settled = True
            for request_id in self._identity.acks_to_repeat():
                self._link.send(asking.ack(request_id))
        for submission in self._requests.to_send():
            self._send_asking(submission)

    async def _resume(self, batch: Sequence[Submission], claim: tuple[str, int] | None = None) -> bool:
        """Asks for these, and as often as the node says that it cannot answer now. False where it does not."""
        for submission in batch:
            self._requests.asked(submission)
        resume = asking.resume(batch, claim)
        while (problem := await self._dialogue.ask(resume, heeded_by="resumed")) is not None:
            if not problem.retryable:
                self._requests.refuse(batch, problem)
                return False
            await self._clock.sleep(_pause_s(problem))
        return True

    async def _go_when_asked(self) -> None:
        drain = await self._drain
        log.info("The node is leaving (%s). Reconnecting elsewhere.", drain.reason)
        asked_at = self._clock.now()
        stays_s = self._clock.between(*drain.window)
        self.leaves_at = asked_at + stays_s
        await self._clock.sleep(stays_s)
        self._is_leaving = True
        await self._clock.within(asked_at + drain.deadline_s - self._clock.now(), self._requests.settled())
        self.has_left = True
        await self._link.leave()

    # --- what the node says ----------------------------------------------------------------------------------

    def _take(self, frame: events.Frame) -> Coroutine[Any, Any, None] | None:
        event = events.event(frame)
        if event is None:
            self._take_control(frame)
            return None
        if isinstance(event, Failed) and self._is_to_be_repeated(event):
            return None
        return self._requests.take(event)

    def _is_to_be_repeated(self, refusal: Failed) -> bool:
        """Whether this refuses, for now, what the session asks on its own account; then it is asked again later."""
        submission = self._requests.get(refusal.request_id)
        if submission is not None and submission.is_refused_for_now(refusal):
            self._start(self._ask_later(submission, refusal.error))
            return True
        if submission is None and refusal.error.retryable and self._identity.has_acked(refusal.request_id):
            self._start(self._ack_later(refusal.request_id, refusal.error))
            return True
        return False

    def _take_control(self, frame: events.Frame) -> None:
        match frame.get("type"):
            case "resumed":
                self._take_resumed(control.resumed(frame, self._identity.connection_id))
            case "subscribed":
                self._subscribed(str(frame.get("job_id")))
            case "token_expiring":
                if (renewal := self._renewal.expiring()) is not None:
                    self._start(renewal)
            case "authenticated":
                self._identity.token_expires_at = frame.get("token_expires_at")
                self._dialogue.heeded("authenticated")
            case "drain":
                if self._may_leave and not self._drain.done():
                    self._drain.set_result(control.drain(frame))
            case "error":
                self._take_refusal(events.problem(frame))

    def _take_resumed(self, resumed: Resumed) -> None:
        """At once, as the frames that follow are about what it says."""
        self._identity.connection_id = resumed.connection_id
        for submission in self._requests.resumed(resumed):
            self.cancel(submission)
        self._dialogue.heeded("resumed")

    def _subscribed(self, job_id: str) -> None:
        submission = self._requests.get(job_id)
        if submission is not None:
            submission.answered()
            self.cancel(submission)

    def _take_refusal(self, problem: Problem) -> None:
        """It names no request: it is of a `resume` or `auth`, or of something that the node could not read."""
        if not self._dialogue.refused(problem):
            log.warning("the server could not read a frame: %s", problem.as_exception())

    async def _ask_later(self, submission: Submission, problem: Problem) -> None:
        await self._clock.sleep(_pause_s(problem))
        self._requests.ask_for(submission)

    async def _ack_later(self, request_id: str, problem: Problem) -> None:
        await self._clock.sleep(_pause_s(problem))
        self._link.send(asking.ack(request_id))

    def _start(self, aside: Coroutine[Any, Any, None]) -> None:
        task = self._group.create_task(aside)
        self._aside.add(task)
        task.add_done_callback(self._aside.discard)


def _pause_s(problem: Problem) -> float:
    return (ASKED_AGAIN_AFTER_MS if problem.after_ms is None else problem.after_ms) / 1000
