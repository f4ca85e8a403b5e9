"""Nodes tell of connections that listen to jobs of this worker, and ask how much output there is."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from streamer.cluster.courier import Courier
from workers.attempt import Attempt
from workers.slots import Slots

WITHIN_S: Final = 0.8
"""The log may be behind, a node does not wait for it: it gives up after 1 s."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """These connections listen to a job from now on; `at`: the nodes that hold them; `watched`: its subscriptions
    changed."""

    job_id: str
    routes: frozenset[str]
    at: Mapping[str, str]
    watched: bool

    @classmethod
    def of(cls, told: Any) -> "Arrival":
        """Raises KeyError, TypeError or ValueError where it is malformed."""
        return cls(str(told["id"]), frozenset(told["routes"]), dict(told.get("at", {})), bool(told.get("watched")))


class Listeners:
    """Lets connections into the audience of running attempts."""

    def __init__(self, slots: Slots, courier: Courier, *, within_s: float = WITHIN_S) -> None:
        self._slots = slots
        self._courier = courier
        self._within_s = within_s

    async def join(self, told: Sequence[Any]) -> Mapping[str, int]:
        """For each job that runs here, how many chunks are in the log: all that were emitted before its new listeners
        were let in, so that these have the others from here. Left out: jobs whose log is behind for too long, or
        whose attempt is over.

        Raises KeyError, TypeError or ValueError where the call is malformed.
        """
        arrivals = {arrival.job_id: arrival for arrival in map(Arrival.of, told)}
        for arrival in arrivals.values():
            self._courier.learn(arrival.at)
        counting = {
            attempt.job.job_id: asyncio.create_task(
                _let_in(attempt, arrivals[attempt.job.job_id]), name=f"flush {attempt.job.job_id}"
            )
            for attempt in self._slots.running(arrivals)
        }
        return await self._results(counting)

    def newest(self, job_ids: Collection[str]) -> Mapping[str, Any]:
        """Of those that run here, the newest progress that was sent: the row has it later, or never."""
        return {
            attempt.job.job_id: {"attempt": attempt.job.attempt, "seq": newest[1], **asdict(newest[0])}
            for attempt in self._slots.running(job_ids)
            if (newest := attempt.newest_progress) is not None
        }

    async def _results(self, counting: Mapping[str, asyncio.Task[int]]) -> Mapping[str, int]:
        try:
            if counting:
                await asyncio.wait(counting.values(), timeout=self._within_s)
        finally:
            for task in counting.values():
                task.cancel()
        await asyncio.gather(*counting.values(), return_exceptions=True)  # why one failed is told by who writes
        return {
            job_id: task.result() for job_id, task in counting.items() if _succeeded(task) and not self._is_over(job_id)
        }

    def _is_over(self, job_id: str) -> bool:
        """Its outcome may have been sent before its new listeners were let in: they read it."""
        attempt = self._slots.attempts.get(job_id)
        return attempt is None or attempt.is_recorded


async def _let_in(attempt: Attempt, arrival: Arrival) -> int:
    attempt.join(arrival.routes)
    if arrival.watched:
        await attempt.watchers.read()
    return await attempt.flush()


def _succeeded(task: asyncio.Task[int]) -> bool:
    return not task.cancelled() and task.exception() is None
