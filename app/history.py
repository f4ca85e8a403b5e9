"""The last fifteen minutes of the installation, as this node has seen them."""

import asyncio
from collections import deque
from typing import Any, Final

import structlog

from app.overview import Overview, Overviews, age_s
from streamer.errors import StoreUnavailable
from streamer.store.admin import Standing, Survey

log = structlog.get_logger()

STEP_S: Final = 15
POINTS: Final = 60
_COUNTED: Final = (Standing.WAITING, Standing.DELAYED, Standing.DEAD)


class History:
    """A ring of points, one each 15 s. A read that failed leaves a gap."""

    def __init__(self, overviews: Overviews) -> None:
        self._overviews = overviews
        self._points: deque[dict[str, Any]] = deque(maxlen=POINTS)
        self._is_failing = False

    async def run(self) -> None:
        """Samples for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + STEP_S
            await self.sample()
            await asyncio.sleep(due - loop.time())

    async def sample(self) -> None:
        """Adds a point. Where the store cannot be reached it adds none, which is logged once per change."""
        try:
            self._points.append(point(await self._overviews.now()))
            self._is_failing = False
        except StoreUnavailable as error:
            if not self._is_failing:
                log.warning("history_not_read", reason=str(error))
            self._is_failing = True

    def shown(self) -> dict[str, Any]:
        """The oldest first."""
        return {"step_s": STEP_S, "points": list(self._points)}


def point(overview: Overview) -> dict[str, Any]:
    """What is kept of one moment."""
    return {
        "at": overview.at_ms / 1000,
        "nodes": len(overview.nodes),
        "workers": len(overview.workers),
        "connections": overview.connections,
        "running": overview.running,
        "queues": {name: _queue(survey, overview.at_ms) for name, survey in overview.queues.items()},
    }


def _queue(survey: Survey, at_ms: int) -> dict[str, Any]:
    counts = {standing.value: survey.counts[standing] for standing in _COUNTED}
    return {**counts, "oldest_age_s": age_s(survey.oldest_created_ms, at_ms)}
