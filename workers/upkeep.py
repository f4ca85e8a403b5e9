"""What the worker knows of its running jobs, kept right where a call to it was lost."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Final

import structlog

from streamer.errors import StoreUnavailable
from streamer.jobs.model import Job
from streamer.store.base import RequestQueue
from workers.slots import Slots

log = structlog.get_logger()

EVERY_S: Final = 20.0


class Upkeep:
    """Reads the rows of what runs here: requested cancels, new routes, attempts that are ours no more."""

    def __init__(
        self,
        *,
        requests: RequestQueue,
        slots: Slots,
        queues: Sequence[str],
        session: Callable[[], str],
        give_back: Callable[[Job], Awaitable[None]],
        every_s: float = EVERY_S,
    ) -> None:
        self._requests = requests
        self._slots = slots
        self._queues = queues
        self._session = session
        self._give_back = give_back
        self._every_s = every_s

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self.read(list(self._slots.attempts))
                await self.collect()
            except StoreUnavailable as error:
                log.debug("upkeep_skipped", reason=str(error))

    async def read(self, job_ids: Collection[str]) -> None:
        """One strong read of those of the jobs that run here; costs nothing where none does."""
        attempts = self._slots.running(job_ids)
        if not attempts:
            return
        rows = await self._requests.get_many([attempt.job.job_id for attempt in attempts])
        for attempt in attempts:
            row = rows.get(attempt.job.job_id)
            if row is None:
                attempt.fenced()
            else:
                attempt.learn(row)

    async def collect(self) -> None:
        """After a fault of ours: gives back what the store holds for ours and nobody runs."""
        if not self._slots.crashed:
            return
        for queue in self._queues:
            for row in await self._requests.running(queue, self._session()):
                if row.job_id not in self._slots:
                    await self._give_back(row)
        self._slots.crashed = False
