"""Work for the store that nobody waits for: done in the background, and tried again while the store is away."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from streamer.errors import StoreUnavailable

FIRST_BACK_OFF_S: Final = 0.5
MAX_BACK_OFF_S: Final = 10.0


class Chore:
    """Calls `work` whenever there is some. Where it raises StoreUnavailable, what was not done waits on: `failed` is
    told, and it is called again after 0.5 s, then after twice that, up to 10 s."""

    def __init__(self, work: Callable[[], Awaitable[None]], failed: Callable[[StoreUnavailable], None]) -> None:
        self._work = work
        self._failed = failed
        self._is_due = asyncio.Event()

    def due(self) -> None:
        """There is something to do."""
        self._is_due.set()

    async def run(self) -> None:
        """Works for ever."""
        back_off_s = FIRST_BACK_OFF_S
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            try:
                await self._work()
                back_off_s = FIRST_BACK_OFF_S
            except StoreUnavailable as error:
                self._failed(error)
                self._is_due.set()
                await asyncio.sleep(back_off_s)
                back_off_s = min(2 * back_off_s, MAX_BACK_OFF_S)
