"""The tasks of a node that belong to no connection: each has a name, and an owner who awaits it."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

log = structlog.get_logger()


class Tasks:
    """Owns tasks. One that dies of an error is logged, and `on_death` told: a node with a part missing must go.
    `on_death` is whoever can stop the process: the signal, until the server takes that over.
    """

    def __init__(self, on_death: Callable[[], None]) -> None:
        self.on_death = on_death
        self._tasks: set[asyncio.Task[None]] = set()
        self.died = False  # one of them ended by an error

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def stop(self) -> None:
        """Cancels what still runs, and waits for its end."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def __len__(self) -> int:
        return len(self._tasks)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.died = True
            log.critical("task_died", task=task.get_name(), exc_info=error)
            self.on_death()
