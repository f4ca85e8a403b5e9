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

    def __init__(self, nodes: NodeRegistry, kind: str) -> None:
        self._nodes = nodes
        self._kind = kind
        self._rows: Mapping[str, NodeRow] = {}

    async def refresh(self) -> Sequence[NodeRow]:
        """Reads the rows. Raises StoreUnavailable; the old rows are then kept."""
        rows = await self._nodes.list(self._kind)
        self._rows = {row.node_id: row for row in rows}
        return rows

    def get(self, node_id: str) -> NodeRow | None:
        return self._rows.get(node_id)

    def endpoint(self, node_id: str) -> str | None:
        row = self._rows.get(node_id)
        return None if row is None else row.info.get("endpoint")

    def rows(self) -> Sequence[NodeRow]:
        return list(self._rows.values())
