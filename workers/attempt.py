"""One run of a job, while it runs."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final

from streamer.context import Context
from streamer.jobs.model import Job, Progress, Status
from streamer.store.base import SubscriptionStore
from workers.reporter import AttemptReporter
from workers.watchers import Watchers

STUBBORN_S: Final = 5.0
"""How long a handler that was cancelled may take to end, before its attempt is recorded without it."""


class Stop(Enum):
    CANCEL = "cancel"  # its client does not want it any more
    RELEASE = "release"  # the worker is leaving, or was held for dead: another attempt may run
    FENCED = "fenced"  # somebody else owns the job: nothing is written or sent any more


@dataclass(frozen=True, slots=True)
class Ending:
    """How the handler ended: with a result, or with an error (CancelledError where it was stopped, or has not ended
    though it was asked to)."""

    result: Any = None
    error: BaseException | None = None
    overran: bool = False  # it took longer than it may


class Attempt:
    """The newest row of the job, who listens to it, the handler's task, and why it should stop.

    `job` is written by `learn` and `join`, read by everybody who writes or sends. `audience` follows from it and from
    the watchers, and is the same object as long as nothing changes. `stop` is None while the attempt should go on; it
    changes only to FENCED once it is set.
    """

    def __init__(self, job: Job, subscriptions: SubscriptionStore) -> None:
        self.job = job
        self.audience = job.routes
        self.watchers = Watchers(job.job_id, subscriptions, self._count_audience)
        self.watchers.heard(job.watch_version)
        self.stop: Stop | None = None
        self.reporter: AttemptReporter | None = None  # set by the executor, first of all
        self.is_recorded = False  # set by the executor: its end is in the store, or is not ours to write
        self._context: Context | None = None  # None until the handler starts
        self._handler: asyncio.Task[Any] | None = None  # None until it starts
        self._abandoned: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def learn(self, row: Job) -> None:
        """Takes in a newer row. Routes only grow here: a row read before a POST arrived may come after it."""
        is_mine = (row.attempt, row.owner, row.status) == (self.job.attempt, self.job.owner, Status.PROCESSING)
        if not is_mine:
            self.fenced()
            return
        self.job = replace(row, routes=row.routes | self.job.routes)
        self._count_audience()
        self.watchers.heard(row.watch_version)
        if row.cancel_requested_ms is not None:
            self.request(Stop.CANCEL)

    def join(self, routes: frozenset[str]) -> None:
        """These connections listen from now on."""
        self.job = replace(self.job, routes=self.job.routes | routes)
        self._count_audience()

    def fenced(self) -> None:
        self.request(Stop.FENCED)

    def request(self, stop: Stop) -> None:
        """Asks the handler to end. The first reason counts, except that FENCED overrides."""
        if self.stop is None or stop is Stop.FENCED:
            self.stop = stop
        self._interrupt()

    async def run(self, context: Context, handler: Callable[[], Awaitable[Any]], timeout_s: float | None) -> Ending:
        """Runs the handler until it ended, or was asked to end and did not for too long."""
        self._context = context
        self._handler = asyncio.create_task(_contained(handler), name=f"handler {self.job.job_id}")
        if self.stop is not None:
            self._interrupt()
        await asyncio.wait([self._handler, self._abandoned], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        overran = not self._handler.done() and not self._abandoned.done()
        if overran:
            self._interrupt()
            await asyncio.wait([self._handler, self._abandoned], return_when=asyncio.FIRST_COMPLETED)
        return _ending(self._handler, overran=overran)

    @property
    def last_seq(self) -> int:
        """The number of its newest frame."""
        return 0 if self.reporter is None else self.reporter.seq

    @property
    def newest_progress(self) -> tuple[Progress, int] | None:
        """That was sent, and its number; None: there was none."""
        return None if self.reporter is None else self.reporter.newest

    async def flush(self) -> int:
        """Returns when all output so far is stored; and how many chunks that makes."""
        return self.job.kept_chunks if self.reporter is None else await self.reporter.flush()

    def close(self) -> None:
        """Its end is recorded, or never will be: what it has not stored by now is void."""
        self.watchers.close()
        if self.reporter is not None:
            self.reporter.drop()

    async def ended(self) -> None:
        """Waits until nothing of it runs any more; a handler that was given up keeps its slot until then."""
        await self.watchers.ended()
        if self.reporter is not None:
            await self.reporter.ended()
        if self._handler is not None:
            await asyncio.wait([self._handler])

    def _interrupt(self) -> None:
        if self._context is not None:
            self._context.cancelled = True
        if self.reporter is not None:
            self.reporter.interrupt()
        if self._handler is not None and not self._handler.done():
            self._handler.cancel()
            self._handler.get_loop().call_later(STUBBORN_S, self._give_up)

    def _count_audience(self) -> None:
        audience = self.job.routes | self.watchers.connections
        if audience != self.audience:
            self.audience = audience

    def _give_up(self) -> None:
        if not self._abandoned.done():
            self._abandoned.set_result(None)


def _ending(handler: asyncio.Task[Any], *, overran: bool) -> Ending:
    if not handler.done() or handler.cancelled():
        return Ending(error=asyncio.CancelledError(), overran=overran)
    error = handler.exception()
    return Ending(None if error is not None else handler.result(), error, overran)


async def _contained(handler: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await handler()
    except (SystemExit, KeyboardInterrupt) as error:  # a handler does not stop the process
        raise RuntimeError(f"the handler raised {type(error).__name__}") from error
