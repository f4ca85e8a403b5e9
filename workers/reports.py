"""What listeners are told when an attempt is over, from the row that says so."""

import time
from collections.abc import Callable
from typing import Final

import structlog

from streamer.cluster.audience import audience
from streamer.cluster.courier import Courier
from streamer.errors import NotFound, StoreUnavailable
from streamer.jobs.model import Failure, Job, Status
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.store.base import RequestQueue, SubscriptionStore

log = structlog.get_logger()

LEFT: Final = Failure(
    "SERVICE_UNAVAILABLE", "The worker that ran this request is leaving. It will run again.", retryable=True
)
DIED: Final = Failure("WORKER_LOST", "The worker that ran this request died. It will run again.", retryable=True)


class Reports:
    """Makes the one frame that follows from a row, and sends it to everybody who listens."""

    def __init__(
        self,
        requests: RequestQueue,
        subscriptions: SubscriptionStore,
        courier: Courier,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._requests = requests
        self._subscriptions = subscriptions
        self._courier = courier
        self._clock = clock

    async def tell(self, row: Job, reason: Failure, *, result: bytes | None = None) -> None:
        """An outcome where the row has one, else that the job will run again, because of `reason`."""
        if row.finished:
            await self.outcome(row, result)
        else:
            self._again(row, reason, await audience(row, self._subscriptions))

    async def outcome(self, row: Job, result: bytes | None = None) -> None:
        """The outcome of a finished row, after which nobody watches it any more; its result is loaded where the caller
        does not have it."""
        to = await audience(row, self._subscriptions)
        if not to:
            return
        if row.status is Status.COMPLETED and result is None and row.result is not None:
            try:
                result = await self._requests.load(row, row.result)
            except (StoreUnavailable, NotFound) as error:  # whoever waits for it reads the row
                log.warning("outcome_not_sent", job_id=row.job_id, reason=str(error))
                return
        chunks = max(row.chunks, row.kept_chunks)
        self._courier.send(row, "outcome", row.seq, frames.outcome(row, result, self._clock()), to=to, chunks=chunks)
        await self._forget_watchers(row, to)

    def _again(self, row: Job, reason: Failure, to: frozenset[str]) -> None:
        if not to:
            return
        now = self._clock()
        retry_at = now if row.due_ms is None else row.due_ms / 1000
        place = Place(row.client_id, row.job_id, row.attempt, row.seq)
        frame = frames.retrying(place, reason, retry_at, now, continues_from=row.kept_chunks)
        self._courier.send(row, "retrying", row.seq, frame, to=to, chunks=row.kept_chunks)

    async def _forget_watchers(self, row: Job, told: frozenset[str]) -> None:
        if row.watch_version == 0:
            return
        try:
            await self._subscriptions.unsubscribe(row.job_id, told)
        except StoreUnavailable as error:  # the rows expire
            log.info("subscriptions_left", job_id=row.job_id, reason=str(error))
