"""The wall clock of this process, held against the store's."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from streamer.telemetry.metrics import Metrics

log = structlog.get_logger()

MAX_OFFSET_S: Final = 2.0
"""Times that are stored (due, deadline, latest start) are compared by the clock of whoever reads them."""


async def _nothing() -> None:
    """Where nothing follows from a clock that is right again."""


class ClockWatch:
    """Whether our clock may be trusted. `offset_s`: by how much it is certainly ahead of the store's; None where there
    is nothing to compare, and then it is."""

    def __init__(self, offset_s: Callable[[], float | None], metrics: Metrics) -> None:
        self._offset_s = offset_s
        self._metrics = metrics
        self._was_right = True  # at the newest look

    @property
    def is_right(self) -> bool:
        """Within 2 s, as far as the newest answer of the store tells."""
        return abs(self._offset_s() or 0.0) <= MAX_OFFSET_S

    async def run(self, interval_s: float, on_right: Callable[[], Awaitable[object]] = _nothing) -> None:
        """Looks every `interval_s` for ever; `on_right` is called when the clock is right after it was wrong."""
        while True:
            if self.look():
                await on_right()
            await asyncio.sleep(interval_s)

    def look(self) -> bool:
        """Measures, and logs a change. Whether the clock was wrong at the look before, and is right now."""
        offset_s, is_right = self._offset_s(), self.is_right
        was_right, self._was_right = self._was_right, is_right
        if offset_s is not None:
            self._metrics.clock_offset_seconds.set(offset_s)
        if was_right and not is_right:
            log.error("clock_wrong", offset_s=offset_s)
        if is_right and not was_right:
            log.info("clock_right", offset_s=offset_s)
        return is_right and not was_right
