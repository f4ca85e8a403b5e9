"""Watching for the dead: their jobs are given back, their rows removed."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

import structlog

from streamer.cluster.liveness import DeathWatch
from streamer.cluster.registry import APP, WORKER, Peers
from streamer.errors import Fenced, StoreUnavailable
from streamer.jobs.model import Job, Status
from streamer.store.base import NodeRegistry, NodeRow, RequestQueue
from streamer.store.fan_out import each
from streamer.telemetry.metrics import Metrics
from workers.reports import DIED, Reports

log = structlog.get_logger()

AT_ONCE = 16


class Rescue:
    """Reads the registry once per beat. `learn` is told what every row says of its process, `on_ready` of jobs that
    wait for a worker again.

    A dead row is removed only after a look that found nothing running in its name: the index that is asked may be
    late by a moment.
    """

    def __init__(
        self,
        *,
        workers: Peers,
        apps: Peers,
        nodes: NodeRegistry,
        requests: RequestQueue,
        reports: Reports,
        metrics: Metrics,
        on_ready: Callable[[Job], None],
        learn: Callable[[Mapping[str, Any]], None],
        own_id: Callable[[], str],
        known_actions: Collection[str],
        beat_s: float,
        dead_s: float,
    ) -> None:
        self._peers = {WORKER: workers, APP: apps}
        self._watches = {kind: DeathWatch(beat_s=beat_s, dead_s=dead_s) for kind in self._peers}
        self._nodes = nodes
        self._requests = requests
        self._reports = reports
        self._metrics = metrics
        self._on_ready = on_ready
        self._learn = learn
        self._own_id = own_id
        self._known_actions = known_actions
        self._beat_s = beat_s

    async def run(self) -> None:
        while True:
            for kind in self._peers:
                await self.look(kind)
            await asyncio.sleep(self._beat_s)

    async def look(self, kind: str) -> None:
        """One read of the rows of a kind, and what follows from it."""
        loop = asyncio.get_running_loop()
        asked = loop.time()
        try:
            rows = await self._peers[kind].refresh()
        except StoreUnavailable as error:
            log.debug("registry_not_read", kind=kind, reason=str(error))
            self._watches[kind].missed()
            return
        for row in rows:
            self._learn(row.info)
        others = {row.node_id: row for row in rows if row.node_id != self._own_id()}
        counters = [(row.node_id, row.beat) for row in others.values()]
        for name in self._watches[kind].saw(counters, asked=asked, answered=loop.time()):
            await self._bury(others[name])

    async def _bury(self, dead: NodeRow) -> None:
        try:
            if dead.kind == WORKER and await self._give_back(dead):
                return
            await self._nodes.remove(dead.kind, dead.node_id, beat=dead.beat)
        except StoreUnavailable as error:  # it stays dead; the next look goes on
            log.info("burial_interrupted", kind=dead.kind, node=dead.node_id, reason=str(error))
            return
        log.warning("process_dead", kind=dead.kind, node=dead.node_id, beat=dead.beat)
        if dead.kind == WORKER:
            self._metrics.sessions_dead.inc()

    async def _give_back(self, dead: NodeRow) -> int:
        """How many jobs were still running in its name."""
        jobs = [
            job for queue in dead.info.get("queues", ()) for job in await self._requests.running(queue, dead.node_id)
        ]
        await each(self._lost, jobs, width=AT_ONCE)
        return len(jobs)

    async def _lost(self, job: Job) -> None:
        try:
            row = await self._requests.lost(job)
        except Fenced:
            return
        log.info("job_lost", job_id=row.job_id, attempt=row.attempt, status=row.status)
        self._metrics.jobs_given_back.labels("lost").inc()
        if row.action in self._known_actions:
            self._metrics.attempts.labels(row.action, "lost").inc()
        await self._reports.tell(row, DIED)
        if row.status is Status.PENDING:
            self._on_ready(row)
