"""Storing a request as a job, and acknowledging it: never before the store has said that it has it."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import orjson

from app import faults, outcome
from app.binding import Bindings
from app.catchup import CatchUps
from app.connection import Connection
from app.hints import Hints
from app.listeners import Listeners
from app.meters import Known
from app.registrar import Registrar
from app.reread import Rereads
from app.tasks import Tasks
from app.tracker import Tracker
from streamer.errors import InvalidMessage, StoreUnavailable
from streamer.jobs import ids
from streamer.jobs.model import Job, Status, Submission
from streamer.protocol import frames
from streamer.protocol.messages import Request
from streamer.store.base import Enqueued, RequestQueue, RoutesFull


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a job gets where its action says nothing."""

    max_retries: int
    start_within_ms: int


class Submits:
    """Stores requests; every submit of a connection is answered by an acknowledgment or a refusal."""

    def __init__(
        self,
        *,
        requests: RequestQueue,
        registrar: Registrar,
        bindings: Bindings,
        listeners: Listeners,
        hints: Hints,
        catchups: CatchUps,
        rereads: Rereads,
        tasks: Tasks,
        policy: Policy,
    ) -> None:
        self._requests = requests
        self._registrar = registrar
        self._bindings = bindings
        self._listeners = listeners
        self._hints = hints
        self._catchups = catchups
        self._rereads = rereads
        self._tasks = tasks
        self._policy = policy

    async def submit(self, connection: Connection, known: Known, message: Request) -> None:
        """Runs up to the call of the store without waiting, unless the connection is about to become a former one.
        Raises InvalidMessage before that."""
        submission = self._submission(connection, known, message)
        principal = connection.principal
        job_id = ids.job_id(principal.tenant, principal.user, submission.client_id)
        with _in_flight(connection, submission.client_id):
            await self._bindings.settled(connection)
            tracker = connection.track(job_id, submission.client_id)
            started = time.monotonic()
            try:
                enqueued = await self._enqueue(connection, submission)
            except (Exception, asyncio.CancelledError) as error:  # the seam to the engine
                self._refuse(connection, tracker, known, error, time.monotonic() - started)
                if isinstance(error, asyncio.CancelledError):
                    raise
                return
            known.meter.submitted("created" if enqueued.created else "joined", time.monotonic() - started)
            await self._acknowledge(connection, tracker, known, enqueued.job)
        self._wake(connection, tracker, enqueued)

    def _submission(self, connection: Connection, known: Known, message: Request) -> Submission:
        principal, action = connection.principal, known.action
        return Submission(
            tenant=principal.tenant,
            user=principal.user,
            client_id=message.request_id or ids.uuid7(time.time_ns() // 1_000_000),
            action=action.name,
            payload=_json(message.payload),
            payload_hash=ids.payload_hash(action.name, message.payload),
            start_within_ms=self._policy.start_within_ms,
            queue=action.queue,
            metadata=message.metadata,
            priority=message.options.priority,
            delay_ms=message.options.delay_ms,
            max_retries=self._policy.max_retries if action.retries is None else action.retries,
            durable=message.options.durable,
        )

    # --- the store ------------------------------------------------------------------------------------------

    async def _enqueue(self, connection: Connection, submission: Submission) -> Enqueued:
        self._registrar.keep(connection.connection_id)
        try:
            return await self._requests.enqueue(replace(submission, connection=connection.connection_id))
        except RoutesFull as full:
            return Enqueued(await self._listeners.squeeze_in(connection, full.job), created=False)

    # --- the answer -----------------------------------------------------------------------------------------

    async def _acknowledge(self, connection: Connection, tracker: Tracker, known: Known, job: Job) -> None:
        """Acknowledges, and says what is known of the job by now: its outcome, or its newest progress."""
        now = time.time()
        with contextlib.suppress(StoreUnavailable):  # its result could not be read: it will be read again
            newest = await outcome.newest(job, self._requests, now)
            if newest is not None:
                connection.deliver(tracker, newest, now)  # held until the acknowledgment was sent
        known.meter.acknowledged.inc()
        connection.acknowledge(tracker, frames.acknowledgment(job, now), now)
        self._rereads.watch(connection, tracker)

    def _refuse(
        self, connection: Connection, tracker: Tracker, known: Known, error: BaseException, took_s: float
    ) -> None:
        """`final` is false: the write may have been applied, and an earlier submit of this id may be running."""
        now = time.time()
        told = StoreUnavailable() if isinstance(error, asyncio.CancelledError) else faults.told(error)
        connection.outbox.put(frames.refusal(told, tracker.request_id, now))
        connection.refuse(tracker, now)
        known.meter.refused.inc()
        known.meter.submitted("failed" if isinstance(told, StoreUnavailable) else "refused", took_s)

    def _wake(self, connection: Connection, tracker: Tracker, enqueued: Enqueued) -> None:
        job = enqueued.job
        if job.status is Status.PROCESSING and tracker.is_wanted:
            self._tasks.start(self._catchups.catch_up(connection, [(tracker, job)]), f"joining {job.job_id}")
        elif enqueued.created and job.due_ms is None:
            self._hints.tell(job)


@contextlib.contextmanager
def _in_flight(connection: Connection, request_id: str) -> Iterator[None]:
    """A submit under way: it counts, and a cancel of the same id waits for it."""
    settled = asyncio.get_running_loop().create_future()
    connection.pending[request_id] = settled
    connection.in_flight += 1
    try:
        yield
    finally:
        connection.in_flight -= 1
        settled.set_result(None)
        if connection.pending.get(request_id) is settled:
            del connection.pending[request_id]


def _json(payload: Any) -> bytes:
    try:
        return orjson.dumps(payload)
    except orjson.JSONEncodeError as error:  # nested deeper than can be written, though it was read
        raise InvalidMessage("The payload is nested too deeply.") from error
