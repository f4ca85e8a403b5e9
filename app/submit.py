"""Storing a request as a job, and acknowledging it: never before the store has said that it has it."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

from app import faults, outcome
from app.binding import Bindings
from app.catchup import CatchUps
from app.connection import Connection
from app.hints import Hints
from app.listeners import Listeners
from app.meters import Known
from app.quota import Quota
from app.registrar import Registrar
from app.reread import Rereads
from app.tasks import Tasks
from app.tracker import Tracker
from streamer import intake
from streamer.errors import RateLimited, StoreUnavailable
from streamer.intake import Policy, Terms
from streamer.jobs import ids
from streamer.jobs.model import Job, Status, Submission
from streamer.protocol import frames
from streamer.protocol.messages import Request
from streamer.store.base import Enqueued, RequestQueue, RoutesFull
from streamer.telemetry import audit


class Submits:
    """Stores requests; every submit of a connection is answered by an acknowledgment or a refusal."""

    def __init__(
        self,
        *,
        requests: RequestQueue,
        registrar: Registrar,
        bindings: Bindings,
        listeners: Listeners,
        quota: Quota,
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
        self._quota = quota
        self._hints = hints
        self._catchups = catchups
        self._rereads = rereads
        self._tasks = tasks
        self._policy = policy

    async def submit(self, connection: Connection, known: Known, message: Request, *, told: float = 0.0) -> None:
        """Runs up to the call of the store without waiting, unless the connection is about to become a former one.
        Raises InvalidMessage before that. `told`: the percentage that its client was told of already."""
        submission = self._submission(connection, known, message)
        principal = connection.principal
        job_id = ids.job_id(principal.tenant, principal.user, submission.client_id)
        with _in_flight(connection, submission.client_id):
            await self._bindings.settled(connection)
            tracker = connection.track(job_id, submission.client_id)
            tracker.begin_at(told)
            started = time.monotonic()
            try:
                enqueued = await self._enqueue(connection, submission)
            except (Exception, asyncio.CancelledError) as error:  # the seam to the engine
                self._refuse(connection, tracker, known, error, time.monotonic() - started)
                if isinstance(error, asyncio.CancelledError):
                    raise
                return
            result = "created" if enqueued.created else "joined"
            known.meter.submitted(result, time.monotonic() - started)
            audit.record(
                "submit",
                principal,
                result=result,
                action=known.action.name,
                request_id=submission.client_id,
                job_id=job_id,
            )
            await self._acknowledge(connection, tracker, known, enqueued.job)
        self._wake(connection, tracker, enqueued)

    def _submission(self, connection: Connection, known: Known, message: Request) -> Submission:
        principal, options = connection.principal, message.options
        terms = Terms(
            metadata=message.metadata,
            priority=options.priority,
            delay_ms=options.delay_ms,
            expires_in_ms=options.expires_in_ms,
            durable=options.durable,
        )
        client_id = message.request_id or ids.uuid7(time.time_ns() // 1_000_000)
        return intake.submission(
            known.action, principal.tenant, principal.user, client_id, message.payload, terms, self._policy
        )

    # --- the store ------------------------------------------------------------------------------------------

    async def _enqueue(self, connection: Connection, submission: Submission) -> Enqueued:
        if connection.listens:
            self._registrar.keep(connection.connection_id)
            submission = replace(submission, connection=connection.connection_id)
        try:
            with await self._room(submission):
                return await self._requests.enqueue(submission)
        except RoutesFull as full:
            return Enqueued(await self._listeners.squeeze_in(connection, full.job), created=False)

    async def _room(self, submission: Submission) -> AbstractContextManager[None]:
        """Within its tenant's quota. A request that is stored already takes no more room."""
        try:
            return await self._quota.admit(submission.queue, submission.tenant)
        except RateLimited:
            job_id = ids.job_id(submission.tenant, submission.user, submission.client_id)
            if await self._requests.get(job_id) is None:
                raise
            return contextlib.nullcontext()

    # --- the answer -----------------------------------------------------------------------------------------

    async def _acknowledge(self, connection: Connection, tracker: Tracker, known: Known, job: Job) -> None:
        """Acknowledges, and says what is known of the job by now: its outcome, or its newest progress."""
        now = time.time()
        if connection.listens:
            with contextlib.suppress(StoreUnavailable):  # its result could not be read: it will be read again
                newest = await outcome.newest(job, self._requests, now)
                if newest is not None:
                    connection.deliver(tracker, newest, now)  # held until the acknowledgment was sent
        known.meter.acknowledged.inc()
        connection.acknowledge(tracker, self._acknowledgment(job, now), now)
        if connection.listens:
            self._rereads.watch(connection, tracker)

    def _acknowledgment(self, job: Job, now: float) -> bytes:
        return frames.acknowledgment(job, now)

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
        if job.status is Status.PROCESSING and tracker.is_wanted and connection.listens:
            self._tasks.start(self._catchups.catch_up(connection, [(tracker, job)]), f"joining {job.job_id}")
        elif enqueued.created:
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
