"""Running an action inline: on this node, answered at once, nothing stored.

A handler that never waits costs no task and no timer: it is driven one step in the task that
read its frame. One that waits goes on in that task, and another task reads the socket (see `reader`).
"""

import asyncio
import contextvars
import threading
import time
from collections.abc import Awaitable, Coroutine
from typing import Any, Final

import orjson

from app import faults, stepping
from app.answers import Answers, Key, asks_the_same
from app.connection import Connection
from app.meters import Known
from app.promotion import Promotion, Promotions
from app.run import Run, Stop, Surroundings
from app.waiting import Waiting
from streamer.auth import Principal
from streamer.cluster.lanes import report_death
from streamer.context import Context, Submitter
from streamer.errors import (
    ActionError,
    DuplicateRequest,
    Retry,
    ServiceUnavailable,
    StreamerError,
    TimedOut,
)
from streamer.jobs import ids
from streamer.protocol import frames
from streamer.protocol.messages import DEFAULT_OPTIONS, Mode, Request
from streamer.registry import Registry

PROMOTED: Final = b""
"""Remembered in the place of an answer: the request was queued, and so is whoever sends it again."""


class Inline:
    """All inline runs of a node. Made on its loop."""

    def __init__(
        self,
        registry: Registry,
        promotions: Promotions,
        *,
        timeout_s: float,
        progress_live_ms: int,
        submitter: Submitter | None = None,
    ) -> None:
        self._registry = registry
        self._promotions = promotions
        self._submitter = submitter
        self._timeout_s = timeout_s
        self._answers = Answers()
        self._running: dict[Key, Run] = {}  # those that wait, by the id that a client gave
        self._loop = asyncio.get_running_loop()
        self._waiting = Waiting(self._loop)  # all that wait
        self._tasks: set[asyncio.Task[None]] = set()  # pull output for slow readers; each ends with its socket
        self._surroundings = Surroundings(self._loop, threading.get_ident(), progress_live_ms / 1000, self._start)

    def __len__(self) -> int:
        """Runs that wait for something."""
        return len(self._waiting)

    def start(
        self, connection: Connection, known: Known, message: Request, request: Any, question: str
    ) -> Awaitable[None] | None:
        """Answers a request. None: done; else what the calling task has to await for the answer.

        The same id again joins a run that waits, or is answered from memory. Raises DuplicateRequest where it
        asks for something else.
        """
        now = time.monotonic()
        principal = connection.principal
        key: Key | None = None
        if message.request_id is not None:
            key = (principal.tenant, principal.user, message.request_id)
            if self._is_repeat(connection, known, key, message, now):
                return None
        request_id = message.request_id or ids.uuid7(time.time_ns() // 1_000_000)
        own_s = known.action.timeout_s
        limit_s = self._timeout_s if own_s is None else min(own_s, self._timeout_s)
        options = message.options
        if options is not DEFAULT_OPTIONS and options.expires_in_ms is not None:
            limit_s = min(limit_s, options.expires_in_ms / 1000)
        run = Run(known, request_id, key, question, connection, self._surroundings, now, now + limit_s)
        if known.promote_s is not None and options.mode is not Mode.INLINE:
            run.promotion = Promotion(message, now + known.promote_s)
        ctx = Context(
            request_id,
            principal.user,
            principal.tenant,
            message.action,
            metadata=message.metadata,
            deadline=time.time() + limit_s,
            state=self._registry.state,
            reporter=run,
            connection_id=connection.connection_id,
            submitter=self._submitter,
        )
        return self._first_step(run, ctx, self._registry.invoke(known.action, ctx, request))

    def cancel(self, principal: Principal, request_id: str) -> bool:
        """Stops a run of this user; its answer is then CANCELLED. False: there is none that waits."""
        run = self._running.get((principal.tenant, principal.user, request_id))
        if run is not None:
            run.stop("cancel")
        return run is not None

    def stop_all(self) -> int:
        """Stops every run, because the node is leaving. Returns how many there were."""
        for run in self._waiting:
            run.stop("leaving")
        return len(self._waiting)

    def answered_before(self, principal: Principal, request_id: str) -> bytes | None:
        """The answer that a request of this id was given a moment ago, if it is remembered."""
        answer = self._answers.find((principal.tenant, principal.user, request_id), time.monotonic())
        return None if answer is None or answer[1] is PROMOTED else answer[1]

    # --- the same request again -----------------------------------------------------------------------------

    def _is_repeat(self, connection: Connection, known: Known, key: Key, message: Request, now: float) -> bool:
        if self._running and (run := self._running.get(key)) is not None:
            _require_same(run.question, message)
            run.join(connection)
            connection.in_flight += 1
            return True
        answer = self._answers.find(key, now)
        if answer is not None:
            _require_same(answer[0], message)
            if answer[1] is PROMOTED:
                self._promotions.queue([connection], known, message)
            else:
                connection.outbox.put(answer[1])
            return True
        return False

    # --- a run ----------------------------------------------------------------------------------------------

    def _first_step(self, run: Run, ctx: Context, work: Coroutine[Any, Any, Any]) -> Awaitable[None] | None:
        context = contextvars.copy_context()  # what this handler sets is nothing to the connection's next one
        try:
            awaited = context.run(work.send, None)
        except StopIteration as done:
            self._succeed(run, done.value)
        except stepping.STOPPED as error:
            self._fail(run, error)
        else:
            run.ctx = ctx
            self._wait_for(run)
            return self._other_steps(run, work, awaited, context)
        return None

    async def _other_steps(
        self, run: Run, work: Coroutine[Any, Any, Any], awaited: Any, context: contextvars.Context
    ) -> None:
        run.task = task = asyncio.current_task()
        try:
            result = await stepping.rest(work, awaited, context)
        except stepping.STOPPED as error:
            self._forget(run)
            if run.stopped is None and task is not None and task.cancelling():
                run.stopped = "leaving"  # somebody stops the task itself, not this run
                self._fail(run, error)
                raise
            if run.stopped == "promote" and isinstance(error, asyncio.CancelledError):
                self._promote(run, error)
            else:
                self._fail(run, error)
        else:
            self._forget(run)
            self._succeed(run, result)
        if run.stopped is not None and task is not None:
            task.uncancel()  # it was the handler that was cancelled; the task has more to do

    def _wait_for(self, run: Run) -> None:
        """The handler waits for something: it can be joined, cancelled, and be late."""
        self._waiting.add(run)
        run.askers[0].in_flight += 1
        if run.key is not None:
            self._running[run.key] = run

    def _forget(self, run: Run) -> None:
        self._waiting.discard(run)
        if run.key is not None:
            del self._running[run.key]
        for asker in run.askers:
            asker.in_flight -= 1

    def _start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(report_death)

    # --- being queued after all -----------------------------------------------------------------------------

    def _promote(self, run: Run, error: BaseException) -> None:
        """Its handler has ended, and said nothing that would be an answer."""
        now = time.monotonic()
        message = None if run.promotion is None else run.promotion.request(run.request_id, now - run.started)
        if run.promotion is None or message is None:
            run.stopped = "timeout"
            self._fail(run, error)
            return
        if run.key is not None:
            self._answers.remember(run.key, run.question, PROMOTED, now)
        self._promotions.queue(run.hand_over(), run.known, message, told=run.promotion.told)

    # --- its answer -----------------------------------------------------------------------------------------

    def _succeed(self, run: Run, result: Any) -> None:
        try:
            frame = _response(run, result)
        except Exception as error:  # noqa: BLE001  # the seam to a user's types, whose serializers may raise anything
            self._fail(run, error)
            return
        run.known.meter.answered_s.append(self._answer(run, frame, is_lasting=True))

    def _fail(self, run: Run, error: BaseException) -> None:
        told = _told(run, error)
        run.known.meter.error(self._answer(run, _error_frame(run, told), is_lasting=not told.retryable))

    def _answer(self, run: Run, frame: bytes, *, is_lasting: bool) -> float:
        """Gives everybody who asked the answer. Returns after how many seconds that was."""
        run.end(frame)
        now = time.monotonic()
        if is_lasting and run.key is not None:
            self._answers.remember(run.key, run.question, frame, now)
        return now - run.started


def _response(run: Run, result: Any) -> bytes:
    """What promises no type is mostly JSON values already, and encoded once; all else is asked to keep its promise."""
    if run.known.action.handler.result is not None:
        return _promised(run, result)
    try:
        return frames.response(run.request_id, result, time.time())
    except TypeError:
        return _promised(run, result)


def _promised(run: Run, result: Any) -> bytes:
    data = orjson.Fragment(run.known.action.encode(result))
    return frames.response(run.request_id, data, time.time())


def _require_same(question: str, message: Request) -> None:
    if not asks_the_same(question, message):
        raise DuplicateRequest


def _told(run: Run, error: BaseException) -> StreamerError:
    """What the askers are told of how a handler ended."""
    if isinstance(error, asyncio.CancelledError) and run.stopped is not None:
        return _stopped(run.stopped)
    if isinstance(error, Retry):
        after_ms = None if error.after is None else int(error.after.total_seconds() * 1000)
        return ServiceUnavailable(str(error), after_ms=after_ms)
    return faults.told(error, request_id=run.request_id, action=run.known.action.name)


def _stopped(why: Stop) -> StreamerError:
    if why == "cancel":
        return ActionError("CANCELLED", "The request was cancelled.")
    if why == "leaving":
        return ServiceUnavailable("The node is leaving; send the request again.")
    late = TimedOut()
    late.retryable = True  # nothing was stored: sending it again runs it again
    return late


def _error_frame(run: Run, error: StreamerError) -> bytes:
    try:
        return frames.refusal(error, run.request_id, time.time(), final=True)
    except TypeError as not_json:  # the details of a handler's ActionError
        told = faults.told(not_json, request_id=run.request_id, action=run.known.action.name)
        return frames.refusal(told, run.request_id, time.time(), final=True)
