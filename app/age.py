"""How old a connection may become: an older one is asked to come back, here or, behind a load balancer, elsewhere."""

import asyncio
import time
import zlib
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from app.connection import Connection
from app.health import Health
from app.hub import Hub
from app.leave import Leavers, Window

LOOK_AGAIN_S: Final = 1.0
MAX_AT_ONCE: Final = 50
"""That are asked to leave, and that are closed, each time that somebody looks."""
WINDOW: Final[Window] = (0.0, 3.0)
JITTER: Final = 0.1
"""Of the age, up or down: those who came together do not leave together."""
REASON: Final = "connection age"


class Ages:
    """Sees to it that no connection of this node becomes much older than `max_age_s`. `clock`: monotonic seconds."""

    def __init__(
        self, hub: Hub, health: Health, max_age_s: float, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._hub = hub
        self._health = health
        self._max_age_s = max_age_s
        self._clock = clock
        self._leavers = Leavers(REASON, clock=clock)

    async def run(self) -> None:
        """Looks once a second, for ever: one task, and no timer per socket."""
        while True:
            self.look()
            await asyncio.sleep(LOOK_AGAIN_S)

    def look(self) -> None:
        """Asks who is too old to leave, and closes who was asked before. A node that leaves does that by itself."""
        if self._health.is_draining:
            return
        self._leavers.close_due(MAX_AT_ONCE)
        for connection in islice(self._too_old(), MAX_AT_ONCE):
            self._leavers.ask(connection, WINDOW)

    def _too_old(self) -> Iterator[Connection]:
        now = self._clock()
        surely_young = now - self._max_age_s * (1 - JITTER)
        for connection in self._hub:
            if connection.opened > surely_young or connection.outbox.closed or connection in self._leavers:
                continue
            if now - connection.opened >= self._max_age_s * _share(connection.connection_id):
                yield connection


def _share(connection_id: str) -> float:
    """Of the greatest age, what this connection gets: the same each time that somebody looks."""
    evenly = zlib.crc32(connection_id.encode()) / 0xFFFF_FFFF
    return 1 - JITTER + 2 * JITTER * evenly
