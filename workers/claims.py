"""From a lead to a row that is ours."""

from collections.abc import Callable

import structlog

from streamer.errors import Fenced, StoreUnavailable
from streamer.jobs.model import Job, Status
from streamer.store.back_off import persistently
from streamer.store.base import RequestQueue, now_ms
from streamer.telemetry.metrics import Metrics
from workers.order import Lead
from workers.reports import LEFT, Reports
from workers.session import Session

log = structlog.get_logger()


class Claims:
    """Claims in the name of the session, and knows what to do where the answer was lost or came too late."""

    def __init__(
        self,
        *,
        requests: RequestQueue,
        session: Session,
        reports: Reports,
        metrics: Metrics,
        clock: Callable[[], int] = now_ms,
    ) -> None:
        self._requests = requests
        self._session = session
        self._reports = reports
        self._metrics = metrics
        self._clock = clock

    async def claim(self, lead: Lead) -> Job | None:
        """The row of a new attempt, or None where there is none to be had.

        A slot is held meanwhile, so nobody else in this process claims the same job.
        """
        session = self._session.id
        try:
            row = await self._requests.claim(lead.job_id, lead.queue, session)
        except StoreUnavailable:
            row = await self._after_lost_answer(lead, session)
        if row is None:
            return None
        if row.finished:  # nobody started it in time
            await self._reports.outcome(row)
            return None
        if session != self._session.id:
            await self.give_back(row)
            return None
        self._observe(lead, row)
        return row

    async def give_back(self, row: Job) -> None:
        """A job that is ours by the store and has nobody who runs it: back to its place, at no cost."""
        try:
            released = await persistently(lambda: self._requests.release(row))
        except Fenced:
            return
        log.info("job_released", job_id=row.job_id, attempt=row.attempt, session=row.owner)
        self._metrics.jobs_given_back.labels("released").inc()
        await self._reports.tell(released, LEFT)

    async def _after_lost_answer(self, lead: Lead, session: str) -> Job | None:
        """The claim may have been applied: the row knows, as soon as it can be read."""
        row = await persistently(lambda: self._requests.get(lead.job_id))
        is_ours = row is not None and row.status is Status.PROCESSING and row.owner == session
        return row if is_ours else None

    def _observe(self, lead: Lead, row: Job) -> None:
        since_ms = lead.due_ms
        if since_ms is None and row.attempt == 1:
            since_ms = row.created_ms
        if since_ms is not None:
            delay_s = max(0, self._clock() - since_ms) / 1000
            self._metrics.start_delay_seconds.labels(lead.wakeup).observe(delay_s)
