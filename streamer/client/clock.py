"""Time and chance, as a session needs them."""

import asyncio
import random
import time
from collections.abc import Coroutine
from typing import Any


class Clock:
    """What the machine says; tests bring one of their own."""

    def now(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Returns after at least so many seconds."""
        await asyncio.sleep(seconds)

    def between(self, low: float, high: float) -> float:
        """Any number from `low` to `high`, each as likely."""
        return random.uniform(low, high)  # noqa: S311  # spreads clients, hides nothing

    async def within(self, seconds: float, waiting: Coroutine[Any, Any, None]) -> None:
        """Waits for that to end, and no longer than this."""
        await first(waiting, self.sleep(seconds))


async def first(*waiting: Coroutine[Any, Any, object]) -> None:
    """Waits until one of these has ended, and cancels the others."""
    tasks = [asyncio.create_task(each) for each in waiting]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
