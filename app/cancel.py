"""Stopping a request, waiting or running, inline or queued."""

import asyncio
import contextlib
import time

from app import faults, outcome
from app.connection import Connection
from app.hub import Delivery, Hub
from app.inline import Inline
from app.owners import Owners
from app.promotion import Promotions
from app.tracker import Frame
from streamer.cluster.audience import audience
from streamer.cluster.courier import Courier
from streamer.errors import NotFound, StoreUnavailable
from streamer.jobs.model import Job, Status
from streamer.protocol import frames
from streamer.protocol.messages import Cancel
from streamer.store.base import RequestQueue, SubscriptionStore
from streamer.telemetry import audit


class Cancels:
    """Answers `cancel` frames."""

    def __init__(
        self,
        *,
        inline: Inline,
        promotions: Promotions,
        requests: RequestQueue,
        subscriptions: SubscriptionStore,
        hub: Hub,
        courier: Courier,
        owners: Owners,
    ) -> None:
        self._inline = inline
        self._promotions = promotions
        self._requests = requests
        self._subscriptions = subscriptions
        self._hub = hub
        self._courier = courier
        self._owners = owners

    async def cancel(self, connection: Connection, message: Cancel) -> None:
        """A cancel after a submit on the same connection finds that request: it waits for the store's answer."""
        with faults.answering(connection, message.request_id):
            pending = connection.pending.get(message.request_id)
            if pending is not None:
                await asyncio.wait([pending])
            await self._cancel(connection, message.request_id)

    async def _cancel(self, connection: Connection, request_id: str) -> None:
        principal = connection.principal
        if self._inline.cancel(principal, request_id):
            audit.record("cancel", principal, result="cancelling", request_id=request_id)
            return  # its answer says so
        await self._promotions.settled(principal, request_id)
        try:
            job = await self._requests.cancel(principal.tenant, principal.user, request_id)
        except NotFound:
            answer = self._inline.answered_before(principal, request_id)
            if answer is None:
                raise
            connection.outbox.put(answer)
            return
        audit.record("cancel", principal, result=job.status, request_id=request_id, job_id=job.job_id)
        if job.finished:
            await self._tell_outcome(connection, job)
        else:
            self._owners.cancel(job)
            if connection.speaks_v1:
                connection.outbox.put(frames.cancelling(job, time.time()))

    async def _tell_outcome(self, connection: Connection, job: Job) -> None:
        now = time.time()
        frame = await outcome.of(job, self._requests, now)
        tracker = connection.trackers.get(job.job_id)
        if tracker is None:
            connection.outbox.put(frame.body)
        else:
            connection.deliver(tracker, frame, now)
        if job.status is Status.CANCELLED:  # it may have waited: then nobody else tells the others
            await self._tell_others(connection, job, frame, now)

    async def _tell_others(self, connection: Connection, job: Job, frame: Frame, now: float) -> None:
        listeners = await audience(job, self._subscriptions)
        others = listeners - {connection.connection_id}
        here = frozenset(name for name in others if self._hub.get(name) is not None)
        self._hub.deliver(Delivery(here, job.job_id, job.tenant, job.user, frame), now)
        self._courier.send(job, "outcome", job.seq, frame.body, to=others - here, chunks=job.chunks)
        if watchers := listeners - job.routes:
            with contextlib.suppress(StoreUnavailable):  # they expire by themselves
                await self._subscriptions.unsubscribe(job.job_id, watchers)
