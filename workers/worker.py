"""One worker: its parts put together, its life from start to stop."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any, Final

import structlog

from streamer.cluster import address
from streamer.cluster.calls import Caller
from streamer.cluster.clock import ClockWatch
from streamer.cluster.courier import Courier
from streamer.cluster.handover import Handover
from streamer.cluster.lanes import Lanes
from streamer.cluster.listener import Listener
from streamer.cluster.registry import APP, WORKER, Peers
from streamer.errors import StoreUnavailable
from streamer.intake import Policy
from streamer.jobs.model import Job
from streamer.process import cluster_keys, reached
from streamer.registry import Registry
from streamer.settings import Settings
from streamer.store.base import Store
from streamer.submitter import Offers, Submitter
from streamer.telemetry.metrics import Metrics
from workers import internal
from workers.attempt import STUBBORN_S, Attempt
from workers.claims import Claims
from workers.dispatcher import Dispatcher
from workers.executor import Executor
from workers.heads import Heads
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

RELEASE_S: Final = STUBBORN_S + 3.0
FLUSH_S: Final = 2.0


class Worker:
    """Claims jobs and runs them until `stop`. Made on a running loop, for one `run`.

    `endpoint` is where nodes reach it, "" until it listens. `store` belongs to the caller.
    """

    def __init__(self, settings: Settings, registry: Registry, store: Store, metrics: Metrics) -> None:
        self.endpoint = ""
        self._settings = settings
        self._registry = registry
        self._store = store
        self._metrics = metrics
        self._stopping = asyncio.Event()
        self._sweeping: asyncio.Task[None] | None = None  # from the first beat on
        self._scheduling: asyncio.Task[None] | None = None  # likewise
        self._reading: asyncio.Task[None] | None = None  # likewise, where the stream of changes is read
        keys = cluster_keys(settings)
        requests = store.requests
        apps, workers = Peers(store.nodes, APP), Peers(store.nodes, WORKER)
        self._caller = Caller(keys[0])
        self._courier = Courier(
            lanes=Lanes(self._caller.post, metrics), peers=apps, connections=store.connections, metrics=metrics
        )
        self._reports = Reports(requests, store.subscriptions, self._courier)
        self._clock = ClockWatch(lambda: store.clock_offset_s, metrics)
        self._slots = Slots(settings.worker_slots, metrics)
        self._listeners = Listeners(self._slots, self._courier)
        self._session = Session(
            store.nodes,
            self._info,
            beat_s=settings.session_beat_s,
            dead_s=settings.session_dead_s,
            on_late=self._late,
            on_lag=metrics.loop_lag_seconds.observe,
        )
        claims = Claims(requests=requests, session=self._session, reports=self._reports, metrics=metrics)
        self._wakeups = Wakeups(
            heads=Heads(requests, settings.queues, metrics),
            slots=self._slots,
            claim=claims.claim,
            run=self._run_claimed,
            is_open=lambda: self._session.is_alive and self._clock.is_right and not self._stopping.is_set(),
            live_workers=lambda: sum(not row.info.get("draining") for row in workers.rows()),
            queues=settings.queues,
            actions=registry.names(),
            ways=settings.wakeups,
            sweep_s=settings.sweep_s,
            limits=_limits(registry),
        )
        handover = Handover(self._caller.post, workers, lambda: self._session.id)
        self._offers = Offers(handover.offer)
        tell = self._tell if "direct" in settings.wakeups else None
        submitter = Submitter(registry, requests, Policy.of(settings), tell=tell)
        self._schedules = Schedules(
            registry.schedules,
            submitter,
            requests,
            max_age_s=settings.ttl_s,
            is_right=lambda: self._clock.is_right,
        )
        self._executor = Executor(
            registry=registry,
            requests=requests,
            reports=self._reports,
            reporter=self._reporter,
            metrics=metrics,
            on_retry=self._wakeups.due_later,
            hand_over=handover.offer,
            submitter=submitter,
            retry_base_ms=int(settings.retry_base_s * 1000),
        )
        self._rescue = Rescue(
            workers=workers,
            apps=apps,
            nodes=store.nodes,
            requests=requests,
            reports=self._reports,
            metrics=metrics,
            on_ready=self._wakeups.ready_now,
            learn=store.turns.learn,
            own_id=lambda: self._session.id,
            known_actions=registry.names(),
            beat_s=settings.session_beat_s,
            dead_s=settings.session_dead_s,
        )
        self._upkeep = Upkeep(
            requests=requests,
            slots=self._slots,
            queues=settings.queues,
            session=lambda: self._session.id,
            give_back=claims.give_back,
        )
        self._turns = TurnsKept(store.turns)
        self._outbox = Outbox(
            workers=workers,
            send=self._reports.outcome,
            own_id=lambda: self._session.id,
            metrics=metrics,
            beat_s=settings.session_beat_s,
        )
        self._stream = self._made_stream(workers, handover)
        self._app = internal.application(
            keys=keys,
            verbs={"hint": self._hint, "cancel": self._cancel, "flush": self._flush},
            metrics=metrics,
            is_ready=lambda: self.is_ready,
        )

    @property
    def session_id(self) -> str:
        return self._session.id

    @property
    def is_ready(self) -> bool:
        """It has beaten once, its clock is right, and it is not leaving. A store that is away for a while does not
        change it."""
        return self._session.has_begun and self._clock.is_right and not self._stopping.is_set()

    def stop(self) -> None:
        """Asks `run` to end: no more claims, `grace_s` for what runs, the rest given back. Again: no effect."""
        self._stopping.set()

    async def run(self) -> None:
        """The whole life. Raises what a part of it died of; the process should then end."""
        async with self._listening() as listening, self._caller, self._registry.running():
            living = asyncio.create_task(self._live(), name="worker")
            try:
                await self._until_stopped(listening, living)
                await self._drain()
            finally:
                await _end(living)
                await self._leave()

    def _made_stream(self, workers: Peers, handover: Handover) -> Stream | None:
        """None: this worker does not wake up by the stream of changes, or its store has none."""
        settings, feeds = self._settings, self._store.feeds
        if feeds is None or "stream" not in settings.wakeups:
            return None
        dispatcher = Dispatcher(
            take=self._wakeups.streamed,
            offer=partial(handover.offer, wakeup="stream"),
            outbox=self._outbox,
            queues=settings.queues,
            actions=self._registry.names(),
            metrics=self._metrics,
        )
        return Stream(
            feeds,
            workers=workers,
            own_id=lambda: self._session.id,
            handle=dispatcher.handle,
            sweep=self._wakeups.sweep,
            metrics=self._metrics,
        )

    # --- the stages of its life -----------------------------------------------------------------------------

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[asyncio.Task[None]]:
        settings = self._settings
        listener = Listener(settings.internal_host, settings.worker_port, setting="STREAMER_WORKER_PORT")
        host = address.advertised(settings.advertise_host, settings.internal_host)
        self.endpoint = address.endpoint(host, listener.port)
        log.info("listening", what="worker", host=settings.internal_host, port=listener.port, endpoint=self.endpoint)
        serving = asyncio.create_task(listener.serve(self._app), name="internal listener")
        try:
            yield serving
        finally:
            await _end(serving)
            listener.close()

    async def _live(self) -> None:
        await reached(self._settings, self._store)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._session.run(), name="session")
            await self._session.begun()
            log.info("worker_ready", session=self._session.id, slots=self._slots.size, queues=self._settings.queues)
            group.create_task(self._rescue.run(), name="rescue")
            group.create_task(self._upkeep.run(), name="upkeep")
            watching = self._clock.run(self._settings.session_beat_s, on_right=self._wakeups.sweep)
            group.create_task(watching, name="clock")
            group.create_task(self._turns.run(), name="turns")
            self._sweeping = group.create_task(self._wakeups.sweep_for_ever(), name="sweep")
            self._scheduling = group.create_task(self._schedules.run(), name="schedules")
            if self._stream is not None:
                self._reading = group.create_task(self._stream.run(), name="stream")
                group.create_task(self._outbox.run(), name="outbox")

    async def _until_stopped(self, *parts: asyncio.Task[None]) -> None:
        """Returns when asked to stop. Raises what a part died of: none ends by itself."""
        asked = asyncio.create_task(self._stopping.wait(), name="asked to stop")
        try:
            await asyncio.wait([asked, *parts], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await _end(asked)
        for part in parts:
            if part.done():
                log.error("part_died", part=part.get_name())
                part.result()
                raise RuntimeError(f"{part.get_name()} ended")

    async def _drain(self) -> None:
        log.info("draining", running=len(self._slots.attempts), grace_s=self._settings.grace_s)
        if self._scheduling is not None:
            await _end(self._scheduling)
        if self._reading is not None:
            await _end(self._reading)
        await self._wakeups.close()
        if self._sweeping is not None:
            await _end(self._sweeping)
            await self._session.beat()
            await self._turns.save()
        if not await self._slots.wait(self._settings.grace_s):
            log.info("releasing", running=self._slots.release_all())
            await self._slots.wait(RELEASE_S)
        await self._courier.flush(FLUSH_S)

    async def _leave(self) -> None:
        """A row is left behind with jobs that could not be given back: it is found dead, and they with it."""
        left = await self._slots.close()
        await self._offers.close()
        await self._courier.close()
        if left or not self._session.has_begun:
            log.warning("left", jobs=left, session=self._session.id)
            return
        try:
            await self._session.leave()
        except StoreUnavailable as error:
            log.warning("row_not_removed", session=self._session.id, reason=str(error))
        log.info("left", jobs=0, session=self._session.id)

    # --- its parts speak to each other ----------------------------------------------------------------------

    async def _run_claimed(self, row: Job) -> None:
        await self._slots.occupy(Attempt(row, self._store.subscriptions), self._executor.run)

    def _tell(self, row: Job) -> None:
        """Of a job that was started here: a free slot of ours has it, else another worker is told."""
        if not self._wakeups.hinted([Lead(row.job_id, row.queue, row.action, "direct")]):
            self._offers.tell(row)

    def _reporter(self, attempt: Attempt) -> AttemptReporter:
        store, settings = self._store, self._settings
        pace = Pace(settings.progress_live_ms / 1000, settings.progress_persist_ms / 1000)
        return AttemptReporter(attempt, requests=store.requests, events=store.events, courier=self._courier, pace=pace)

    def _late(self) -> None:
        log.warning("attempts_dropped", running=self._slots.release_all())

    def _info(self) -> Mapping[str, Any]:
        return {
            "endpoint": self.endpoint,
            "free": self._slots.free,
            "slots": self._slots.size,
            "queues": list(self._settings.queues),
            "actions": sorted(self._registry.names()),
            "wakeups": sorted(self._settings.wakeups),
            "draining": self._stopping.is_set(),
            "version": version("streamer"),
            "worker": f"{socket.gethostname()}:{os.getpid()}",
            **self._store.turns.told(),
        }

    # --- what nodes ask of it -------------------------------------------------------------------------------

    async def _hint(self, jobs: Sequence[Any]) -> Mapping[str, Any]:
        leads = [Lead(job["id"], job["queue"], job["action"], job.get("wakeup", "direct")) for job in jobs]
        return {"taken": self._wakeups.hinted(leads)}

    async def _cancel(self, jobs: Sequence[Any]) -> Mapping[str, Any]:
        """The row has the last word on whether a cancel was requested."""
        await self._upkeep.read(jobs)
        return {}

    async def _flush(self, jobs: Sequence[Any]) -> Mapping[str, Any]:
        return {"chunks": await self._listeners.join(jobs)}


def _limits(registry: Registry) -> Mapping[str, int]:
    """Actions of which only so many run here at a time."""
    limits = {name: registry.get(name).concurrency for name in registry.names()}
    return {name: limit for name, limit in limits.items() if limit is not None}


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancels a task of ours and waits for its end; what it died of was told before."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
