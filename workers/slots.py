"""The places in which jobs run: so many at a time, one task each, from the claim to the end."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

import structlog

from streamer.telemetry.metrics import Metrics
from workers.attempt import Attempt, Stop

log = structlog.get_logger()


class Slots:
    """`attempts`: what runs, by job id; a job that is still being claimed has a slot and no attempt.

    `on_free` is told of which action a slot became free. `crashed`: a task ended by a fault of ours, so its job may be
    left running in the store without anybody who runs it.
    """

    def __init__(self, size: int, metrics: Metrics) -> None:
        self.size = size
        self.attempts: dict[str, Attempt] = {}
        self.on_free: Callable[[str], None] = lambda _action: None  # set by whoever fills the slots
        self.crashed = False  # set here, taken back by whoever looks after such jobs
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._actions: Counter[str] = Counter()  # how many slots each has
        self._metrics = metrics

    @property
    def free(self) -> int:
        return self.size - len(self._tasks)

    def __contains__(self, job_id: str) -> bool:
        return job_id in self._tasks

    def count(self, action: str) -> int:
        """How many slots the jobs of this action have, those included that are still being claimed."""
        return self._actions[action]

    def take(self, job_id: str, work: Coroutine[Any, Any, None], action: str = "") -> None:
        """Gives a free slot to a job that has none; the slot is free again when `work` has ended."""
        task = asyncio.create_task(work, name=f"job {job_id}")
        self._tasks[job_id] = task
        self._actions[action] += 1
        task.add_done_callback(lambda done: self._ended(job_id, action, done))

    async def occupy(self, attempt: Attempt, run: Callable[[Attempt], Awaitable[None]]) -> None:
        """Runs a claimed job, in the slot that it has."""
        self.attempts[attempt.job.job_id] = attempt
        self._metrics.running.set(len(self.attempts))
        try:
            await run(attempt)
        finally:
            del self.attempts[attempt.job.job_id]
            self._metrics.running.set(len(self.attempts))

    def release_all(self) -> int:
        """Asks all handlers to end and their jobs to be given back. Returns how many run."""
        for attempt in self.attempts.values():
            attempt.request(Stop.RELEASE)
        return len(self.attempts)

    async def wait(self, timeout_s: float) -> bool:
        """Whether everything ended within the time."""
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)
        return not self._tasks

    async def close(self) -> list[str]:
        """Ends all tasks at once. Returns the jobs that the store still holds for ours."""
        attempts = dict(self.attempts)
        tasks = dict(self._tasks)
        for task in tasks.values():
            task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        return [job_id for job_id in tasks if job_id not in attempts or not attempts[job_id].is_recorded]

    def running(self, job_ids: Iterable[str]) -> list[Attempt]:
        """Those of the jobs that run here."""
        return [attempt for job_id in job_ids if (attempt := self.attempts.get(job_id)) is not None]

    def _ended(self, job_id: str, action: str, task: asyncio.Task[None]) -> None:
        del self._tasks[job_id]
        self._actions[action] -= 1
        if not task.cancelled() and (error := task.exception()) is not None:
            self.crashed = True
            log.error("attempt_crashed", job_id=job_id, exc_info=error)
        self.on_free(action)
