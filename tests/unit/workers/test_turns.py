"""Virtual time is kept for those who come after all workers were gone."""

import asyncio
from typing import Any

from streamer.errors import StoreUnavailable
from tests.support.until import until
from workers.turns import TurnsKept


class Turns:
    """Counts what is saved; the store may be away."""

    def __init__(self) -> None:
        self.saved = 0
        self.is_away = False

    async def save(self) -> None:
        if self.is_away:
            self.is_away = False
            raise StoreUnavailable
        self.saved += 1


async def test_they_are_saved_again_and_again_though_the_store_is_away_at_times() -> None:
    turns = Turns()
    turns.is_away = True
    parts: Any = turns
    saving = asyncio.create_task(TurnsKept(parts, every_s=0.001).run())
    await until(lambda: turns.saved >= 2)
    saving.cancel()
    await asyncio.wait([saving])
