"""One worker: its life from start to stop."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import structlog

from streamer.cluster import address
from streamer.cluster.listener import Listener
from streamer.errors import StoreUnavailable
from streamer.process import reached
from streamer.registry import Registry
from streamer.settings import Settings
from streamer.store.base import Store
from streamer.telemetry.emf import Emf
from streamer.telemetry.metrics import Metrics
from workers.attempt import STUBBORN_S
from workers.parts import Parts

log = structlog.get_logger()

RELEASE_S: Final = STUBBORN_S + 3.0
FLUSH_S: Final = 2.0


class Worker:
    """Claims jobs and runs them until `stop`. Made on a running loop, for one `run`. `store` belongs to the caller."""

    def __init__(self, settings: Settings, registry: Registry, store: Store, metrics: Metrics) -> None:
        self._settings = settings
        self._store = store
        self._stopping = asyncio.Event()
        self._seeking: list[asyncio.Task[None]] = []  # what brings work, from the first beat on
        self.parts = Parts(settings, registry, store, metrics, self._stopping.is_set)

    @property
    def endpoint(self) -> str:
        """Where nodes reach it, "" until it listens."""
        return self.parts.endpoint

    @property
    def session_id(self) -> str:
        return self.parts.session.id

    @property
    def is_ready(self) -> bool:
        """See `Parts.is_ready`."""
        return self.parts.is_ready

    def stop(self) -> None:
        """Asks `run` to end: no more claims, `grace_s` for what runs, the rest given back. Again: no effect."""
        self._stopping.set()

    async def run(self) -> None:
        """The whole life. Raises what a part of it died of; the process should then end."""
        async with self._listening() as listening, self.parts.caller, self.parts.registry.running():
            living = asyncio.create_task(self._live(), name="worker")
            try:
                await self._until_stopped(listening, living)
                await self._drain()
            finally:
                await _end(living)
                await self._leave()

    @contextlib.asynccontextmanager
    async def _listening(self) -> AsyncIterator[asyncio.Task[None]]:
        settings = self._settings
        listener = Listener(settings.internal_host, settings.worker_port, setting="STREAMER_WORKER_PORT")
        host = address.advertised(settings.advertise_host, settings.internal_host)
        self.parts.endpoint = address.endpoint(host, listener.port)
        log.info("listening", what="worker", host=settings.internal_host, port=listener.port, endpoint=self.endpoint)
        serving = asyncio.create_task(listener.serve(self.parts.internal), name="internal listener")
        try:
            yield serving
        finally:
            await _end(serving)
            listener.close()

    async def _live(self) -> None:
        parts, beat_s = self.parts, self._settings.session_beat_s
        await reached(self._settings, self._store)
        async with asyncio.TaskGroup() as group:
            group.create_task(parts.session.run(), name="session")
            await parts.session.begun()
            log.info("worker_ready", session=parts.session.id, slots=parts.slots.size, queues=self._settings.queues)
            group.create_task(parts.rescue.run(), name="rescue")
            group.create_task(parts.upkeep.run(), name="upkeep")
            group.create_task(parts.clock.run(beat_s, on_right=parts.wakeups.sweep), name="clock")
            group.create_task(parts.turns.run(), name="turns")
            if self._settings.emf:
                emf = Emf(parts.metrics, "streamer-worker", parts.session.id)
                group.create_task(emf.run(self._settings.emf_s), name="emf")
            self._seek(group)

    def _seek(self, group: asyncio.TaskGroup) -> None:
        parts = self.parts
        self._seeking.append(group.create_task(parts.schedules.run(), name="schedules"))
        if parts.stream is not None:
            self._seeking.append(group.create_task(parts.stream.run(), name="stream"))
            group.create_task(parts.outbox.run(), name="outbox")
        self._seeking.append(group.create_task(parts.wakeups.sweep_for_ever(), name="sweep"))

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
        parts, grace_s = self.parts, self._settings.grace_s
        log.info("draining", running=len(parts.slots.attempts), grace_s=grace_s)
        for task in self._seeking:
            await _end(task)
        await parts.wakeups.close()
        if self._seeking:  # it has begun, and others count on it
            await parts.session.beat()
            await parts.turns.save()
        if not await parts.slots.wait(grace_s):
            log.info("releasing", running=parts.slots.release_all())
            await parts.slots.wait(RELEASE_S)
        await parts.courier.flush(FLUSH_S)

    async def _leave(self) -> None:
        """A row is left behind with jobs that could not be given back: it is found dead, and they with it."""
        parts = self.parts
        left = await parts.slots.close()
        await parts.offers.close()
        await parts.courier.close()
        if left or not parts.session.has_begun:
            log.warning("left", jobs=left, session=self.session_id)
            return
        try:
            await parts.session.leave()
        except StoreUnavailable as error:
            log.warning("row_not_removed", session=self.session_id, reason=str(error))
        log.info("left", jobs=0, session=self.session_id)


async def _end(task: asyncio.Task[Any]) -> None:
    """Cancels a task of ours and waits for its end; what it died of was told before."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
