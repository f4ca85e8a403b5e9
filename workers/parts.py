"""What a worker is made of, put together; nothing runs as yet."""

import asyncio
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import structlog

from streamer.cluster.calls import Caller
from streamer.cluster.clock import ClockWatch
from streamer.cluster.handover import Handover
from streamer.cluster.lanes import Lanes
from streamer.cluster.registry import APP, WORKER, Peers
from streamer.intake import Policy
from streamer.jobs.model import Job
from streamer.process import cluster_keys
from streamer.registry import Registry
from streamer.settings import Settings
from streamer.store.base import Store
from streamer.submitter import Offers
from streamer.telemetry.metrics import Metrics
from workers import internal
from workers.attempt import Attempt
from workers.claims import Claims
from workers.dispatcher import Dispatcher
from workers.heads import Heads
from workers.kinds import kinds
from workers.listeners import Listeners
from workers.order import Lead
from workers.outbox import Outbox
from workers.progress import Pace
from workers.reporter import AttemptReporter
from workers.reports import Reports
from workers.rescue import Rescue
from workers.schedules import Schedules
from workers.session import Session
from workers.slots import Slots
from workers.stream import Stream
from workers.turns import TurnsKept
from workers.upkeep import Upkeep
from workers.wakeups import Wakeups

log = structlog.get_logger()


class Parts:
    """The parts of a worker, which `workers.worker` starts and ends. Made on its loop.

    `is_stopping` tells whether it was asked to end. `endpoint` is where nodes reach it, "" until it listens.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        store: Store,
        metrics: Metrics,
        is_stopping: Callable[[], bool],
    ) -> None:
        self.endpoint = ""
        self.registry = registry
        self._settings = settings
        self._store = store
        self.metrics = metrics
        self._is_stopping = is_stopping
        made = kinds(is_traced=settings.tracing)
        keys = cluster_keys(settings)
        requests = store.requests
        apps, workers = Peers(store.nodes, APP), Peers(store.nodes, WORKER)
        self.caller = Caller(keys[0])
        self.courier = made.courier(
            lanes=Lanes(self.caller.post, metrics), peers=apps, connections=store.connections, metrics=metrics
        )
        self._reports = Reports(requests, store.subscriptions, self.courier)
        self.clock = ClockWatch(lambda: store.clock_offset_s, metrics)
        self.slots = Slots(settings.worker_slots, metrics)
        self._listeners = Listeners(self.slots, self.courier)
        self.session = Session(
            store.nodes,
            self._info,
            beat_s=settings.session_beat_s,
            dead_s=settings.session_dead_s,
            on_late=self._late,
            on_lag=metrics.loop_lag_seconds.observe,
        )
        claims = Claims(requests=requests, session=self.session, reports=self._reports, metrics=metrics)
        self.wakeups = Wakeups(
            heads=Heads(requests, settings.queues, metrics),
            slots=self.slots,
            claim=claims.claim,
            run=self._run_claimed,
            is_open=lambda: self.session.is_alive and self.clock.is_right and not self._is_stopping(),
            live_workers=lambda: sum(not row.info.get("draining") for row in workers.rows()),
            queues=settings.queues,
            actions=registry.names(),
            ways=settings.wakeups,
            sweep_s=settings.sweep_s,
            limits=_limits(registry),
        )
        handover = Handover(self.caller.post, workers, lambda: self.session.id)
        self.offers = Offers(handover.offer)
        tell = self._tell if "direct" in settings.wakeups else None
        submitter = made.submitter(registry, requests, Policy.of(settings), tell=tell)
        self.schedules = Schedules(
            registry.schedules,
            submitter,
            requests,
            max_age_s=settings.ttl_s,
            is_right=lambda: self.clock.is_right,
        )
        self.executor = made.executor(
            registry=registry,
            requests=requests,
            reports=self._reports,
            reporter=self._reporter,
            metrics=metrics,
            on_retry=self.wakeups.due_later,
            hand_over=handover.offer,
            submitter=submitter,
            retry_base_ms=int(settings.retry_base_s * 1000),
        )
        self.rescue = Rescue(
            workers=workers,
            apps=apps,
            nodes=store.nodes,
            requests=requests,
            reports=self._reports,
            metrics=metrics,
            on_ready=self.wakeups.ready_now,
            learn=store.turns.learn,
            own_id=lambda: self.session.id,
            known_actions=registry.names(),
            beat_s=settings.session_beat_s,
            dead_s=settings.session_dead_s,
        )
        self.upkeep = Upkeep(
            requests=requests,
            slots=self.slots,
            queues=settings.queues,
            session=lambda: self.session.id,
            give_back=claims.give_back,
        )
        self.turns = TurnsKept(store.turns)
        self.outbox = Outbox(
            workers=workers,
            send=self._reports.outcome,
            own_id=lambda: self.session.id,
            metrics=metrics,
            beat_s=settings.session_beat_s,
        )
        self.stream = self._made_stream(workers, handover)
        self.internal = internal.application(
            keys=keys,
            verbs={"hint": self._hint, "cancel": self._cancel, "flush": self._flush},
            metrics=metrics,
            is_ready=lambda: self.is_ready,
        )

    @property
    def is_ready(self) -> bool:
        """It has beaten once, its clock is right, and it is not leaving. A store that is away for a while does not
        change it."""
        return self.session.has_begun and self.clock.is_right and not self._is_stopping()

    def _made_stream(self, workers: Peers, handover: Handover) -> Stream | None:
        """None: this worker does not wake up by the stream of changes, or its store has none."""
        settings, feeds = self._settings, self._store.feeds
        if feeds is None or "stream" not in settings.wakeups:
            return None
        dispatcher = Dispatcher(
            take=self.wakeups.streamed,
            offer=partial(handover.offer, wakeup="stream"),
            outbox=self.outbox,
            queues=settings.queues,
            actions=self.registry.names(),
            metrics=self.metrics,
        )
        return Stream(
            feeds,
            workers=workers,
            own_id=lambda: self.session.id,
            handle=dispatcher.handle,
            sweep=self.wakeups.sweep,
            metrics=self.metrics,
        )

    # --- its parts speak to each other ----------------------------------------------------------------------

    async def _run_claimed(self, row: Job) -> None:
        await self.slots.occupy(Attempt(row, self._store.subscriptions), self.executor.run)

    def _tell(self, row: Job) -> None:
        """Of a job that was stored here: a free slot of ours has it, or a timer, else another worker is told."""
        if row.due_ms is not None:
            self.wakeups.due_later(row)
        elif not self.wakeups.hinted([Lead(row.job_id, row.queue, row.action, "direct")]):
            self.offers.tell(row)

    def _reporter(self, attempt: Attempt) -> AttemptReporter:
        store, settings = self._store, self._settings
        pace = Pace(settings.progress_live_ms / 1000, settings.progress_persist_ms / 1000)
        return AttemptReporter(attempt, requests=store.requests, events=store.events, courier=self.courier, pace=pace)

    def _late(self) -> None:
        log.warning("attempts_dropped", running=self.slots.release_all())

    def _info(self) -> Mapping[str, Any]:
        return {
            "endpoint": self.endpoint,
            "free": self.slots.free,
            "slots": self.slots.size,
            "queues": list(self._settings.queues),
            "actions": sorted(self.registry.names()),
            "wakeups": sorted(self._settings.wakeups),
            "draining": self._is_stopping(),
            "version": version("streamer"),
            "worker": f"{socket.gethostname()}:{os.getpid()}",
            **self._store.turns.told(),
        }

    # --- what nodes ask of it -------------------------------------------------------------------------------

    async def _hint(self, jobs: Sequence[Any]) -> Mapping[str, Any]:
        leads = [Lead(job["id"], job["queue"], job["action"], job.get("wakeup", "direct")) for job in jobs]
        taken = self.wakeups.hinted(leads)
        await asyncio.sleep(0)  # their claims begin before the answer is made: the node has no hurry, a job has
        return {"taken": taken, "free": self.slots.free}

    async def _cancel(self, jobs: Sequence[Any]) -> Mapping[str, Any]:
        """The row has the last word on whether a cancel was requested."""
        await self.upkeep.read(jobs)
        return {}

    async def _flush(self, jobs: Sequence[Any]) -> Mapping[str, Any]:
        chunks = await self._listeners.join(jobs)
        return {"chunks": chunks, "progress": self._listeners.newest([job["id"] for job in jobs])}


def _limits(registry: Registry) -> Mapping[str, int]:
    """Actions of which only so many run here at a time."""
    limits = {name: registry.get(name).concurrency for name in registry.names()}
    return {name: limit for name, limit in limits.items() if limit is not None}
