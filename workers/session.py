"""One life of a worker process among the others: its id, its beat, and the moment when the others hold it for dead."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import structlog

from streamer.cluster.registry import WORKER, Beat
from streamer.jobs import ids
from streamer.store.base import NodeRegistry

log = structlog.get_logger()


class Session:
    """Beats every `beat_s`. When no beat arrived for `dead_s`, or the row was removed by others, this session is
    over: `on_late` is told, and a new one begins under a new id.

    Lateness counts from when the newest beat that arrived was sent, so it is noticed here before anybody else may
    conclude it. `on_lag` is told by how many seconds the loop woke up late.
    """

    def __init__(
        self,
        nodes: NodeRegistry,
        info: Callable[[], Mapping[str, Any]],
        *,
        beat_s: float,
        dead_s: float,
        on_late: Callable[[], None],
        on_lag: Callable[[float], None],
    ) -> None:
        self._nodes = nodes
        self._info = info
        self._beat_s = beat_s
        self._dead_s = dead_s
        self._on_late = on_late
        self._on_lag = on_lag
        self._former: list[Beat] = []  # sessions that are over, and have not said so
        self._begun = asyncio.Event()  # set by the first beat of all
        self._beat = self._new_beat()

    @property
    def id(self) -> str:
        return self._beat.node_id

    @property
    def is_alive(self) -> bool:
        """Whether jobs may be claimed in its name."""
        return self._beat.sent is not None and not self._is_late()

    @property
    def has_begun(self) -> bool:
        """Whether a first beat has arrived."""
        return self._begun.is_set()

    async def begun(self) -> None:
        """Waits for the first beat of all."""
        await self._begun.wait()

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            if self._is_late():
                self._renew()
            due = loop.time() + self._beat_s
            await self.beat()
            await asyncio.sleep(min(due, self._late_at()) - loop.time())
            self._on_lag(max(0.0, loop.time() - due))

    async def beat(self) -> None:
        """One beat now, as long as it takes, but not beyond the moment at which the session is late."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(self._late_at()):
                arrived = await self._beat.once()
        except TimeoutError:
            return
        if arrived:
            self._begun.set()
            await self._say_farewell()
        elif self._beat.sent is None:
            log.debug("session_not_begun", at=loop.time())

    async def leave(self) -> None:
        """Removes the row. Raises StoreUnavailable."""
        await self._beat.remove()

    def _new_beat(self) -> Beat:
        clock = asyncio.get_running_loop().time
        return Beat(self._nodes, WORKER, ids.boot_id(), self._info, interval_s=self._beat_s, clock=clock)

    def _late_at(self) -> float:
        now = asyncio.get_running_loop().time()
        return now + self._dead_s if self._beat.sent is None else max(now, self._beat.sent + self._dead_s)

    def _is_late(self) -> bool:
        sent = self._beat.sent
        return self._beat.buried or (sent is not None and asyncio.get_running_loop().time() - sent >= self._dead_s)

    def _renew(self) -> None:
        old, self._beat = self._beat, self._new_beat()
        self._former.append(old)
        log.warning("session_late", session=old.node_id, buried=old.buried, next=self.id)
        self._on_late()

    async def _say_farewell(self) -> None:
        """One last beat of a former session, so that its row is there to be found dead: a claim in its name may
        have been applied after the others buried it, and only a dead session's jobs are given back."""
        while self._former and await self._former[0].once():
            self._former.pop(0)
