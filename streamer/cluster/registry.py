"""Who is there: a process's own row in the registry, and the rows of the others."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog

from streamer.errors import StoreUnavailable
from streamer.store.base import NodeRegistry, NodeRow

log = structlog.get_logger()

APP: Final = "app"
WORKER: Final = "worker"


class Beat:
    """My row: its counter grows by 1 every `interval_s`; `info` is asked for anew each time.

    `sent`: monotonic time at which the newest beat that arrived was sent; None before the first.
    `buried`: somebody removed my row meanwhile: they hold me for dead.
    """

    def __init__(
        self,
        nodes: NodeRegistry,
        kind: str,
        node_id: str,
        info: Callable[[], Mapping[str, Any]],
        *,
        interval_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kind = kind
        self.node_id = node_id
        self.sent: float | None = None
        self.buried = False
        self._nodes = nodes
        self._info = info
        self._interval_s = interval_s
        self._clock = clock
        self._counter = 0
        self._is_failing = False
        self._one_at_a_time = asyncio.Lock()  # answers that overtake each other would look like a removed row

    async def once(self) -> bool:
        """One beat; False where the store could not be reached, which is logged once per change."""
        async with self._one_at_a_time:
            return await self._send()

    async def _send(self) -> bool:
        sent = self._clock()
        try:
            counter = await self._nodes.beat(self.kind, self.node_id, self._info())
        except StoreUnavailable as error:
            self._note(error)
            return False
        self.buried = self.buried or counter <= self._counter
        self._counter, self.sent = counter, sent
        self._note(None)
        return True

    async def run(self, on_lag: Callable[[float], None] | None = None) -> None:
        """Beats for ever. `on_lag` is told by how many seconds the loop woke up late each time."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._interval_s
            await self.once()
            await asyncio.sleep(due - loop.time())
            if on_lag is not None:
                on_lag(max(0.0, loop.time() - due))

    async def remove(self) -> None:
        """Takes my row away: I am leaving. Raises StoreUnavailable."""
        await self._nodes.remove(self.kind, self.node_id)

    def _note(self, error: StoreUnavailable | None) -> None:
        if error is not None and not self._is_failing:
            log.warning("store_unreachable", kind=self.kind, node=self.node_id, reason=str(error))
        if error is None and self._is_failing:
            log.info("store_reachable", kind=self.kind, node=self.node_id)
        self._is_failing = error is not None


class Peers:
    """The rows of a kind as they were at the last `refresh`. An id that is unknown here may be there by now."""

    def __init__(self, nodes: NodeRegistry, kind: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._nodes = nodes
        self._kind = kind
        self._clock = clock
        self._rows: Mapping[str, NodeRow] = {}
        self._beaten: Mapping[str, float] = {}  # when a refresh saw a row first, or its counter grown; monotonic

    async def refresh(self) -> Sequence[NodeRow]:
        """Reads the rows. Raises StoreUnavailable; the old rows are then kept."""
        rows = await self._nodes.list(self._kind)
        now = self._clock()
        self._beaten = {row.node_id: now if self._has_beaten(row) else self._beaten[row.node_id] for row in rows}
        self._rows = {row.node_id: row for row in rows}
        return rows

    def _has_beaten(self, row: NodeRow) -> bool:
        former = self._rows.get(row.node_id)
        return former is None or row.beat != former.beat

    def get(self, node_id: str) -> NodeRow | None:
        return self._rows.get(node_id)

    def endpoint(self, node_id: str) -> str | None:
        row = self._rows.get(node_id)
        return None if row is None else row.info.get("endpoint")

    def rows(self) -> Sequence[NodeRow]:
        return list(self._rows.values())

    def beat_age_s(self, node_id: str) -> float:
        """For how long its counter has been seen to stand still here; 0 where it is not known. No clocks of others
        are asked, so it is right by the time between two refreshes."""
        seen = self._beaten.get(node_id)
        return 0.0 if seen is None else max(0.0, self._clock() - seen)
