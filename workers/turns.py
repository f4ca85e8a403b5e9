"""Keeping how far the queues have come, so that virtual time goes on after all workers were gone."""

import asyncio
from typing import Final

import structlog

from streamer.errors import StoreUnavailable
from streamer.store.base import Turnstile

log = structlog.get_logger()

EVERY_S: Final = 10.0


class TurnsKept:
    """Saves every `every_s`; costs a write per queue in which something was started meanwhile."""

    def __init__(self, turns: Turnstile, *, every_s: float = EVERY_S) -> None:
        self._turns = turns
        self._every_s = every_s

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self.save()

    async def save(self) -> None:
        """Never raises: what was not saved is saved the next time."""
        try:
            await self._turns.save()
        except StoreUnavailable as error:
            log.debug("turns_not_saved", reason=str(error))
