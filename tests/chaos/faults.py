"""Faults at random, one after the other and over each other, until they are to stop."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from tests.chaos import process_faults, store_faults
from tests.chaos.crew import Nobody
from tests.chaos.stage import Stage

Fault = Callable[[Stage], Awaitable[None]]

OF_PROCESSES: Final[Mapping[Fault, int]] = {
    process_faults.kill_worker: 3,
    process_faults.terminate_worker: 2,
    process_faults.freeze_worker_for_a_moment: 2,
    process_faults.freeze_worker_beyond_its_death: 2,
    process_faults.kill_node: 2,
    process_faults.terminate_node: 2,
    process_faults.freeze_node: 2,
    process_faults.cut_clients: 2,
    process_faults.poison: 1,
}
OF_THE_STORE: Final[Mapping[Fault, int]] = {
    store_faults.answers_are_lost: 3,
    store_faults.connections_are_reset: 2,
    store_faults.server_errors: 2,
    store_faults.throttling: 2,
    store_faults.calls_hang: 2,
    store_faults.calls_are_late: 2,
    store_faults.away_for_one: 2,
    store_faults.away_for_all: 1,
}
"""How often they come, in relation to each other."""


class Faults:
    """Makes them happen on a stage, one every `every_s` on average; each kind soon once, then as the dice fall."""

    def __init__(self, stage: Stage, *, every_s: float, note: Callable[[str], None]) -> None:
        self.happened: Counter[str] = Counter()
        self._stage = stage
        self._every_s = every_s
        self._note = note
        self._kinds = {**OF_PROCESSES, **(OF_THE_STORE if stage.crew.has_proxies else {})}
        self._first = list(self._kinds)
        stage.chance.shuffle(self._first)

    async def run(self, seconds: float) -> None:
        """Returns when the time is over and every fault is healed."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        async with asyncio.TaskGroup() as group:
            while loop.time() < end:
                fault = self._next()
                group.create_task(self._happen(fault))
                pause_s = self._stage.chance.expovariate(1 / self._every_s)
                await asyncio.sleep(min(pause_s, max(0.0, end - loop.time())))

    def _next(self) -> Fault:
        if self._first:
            return self._first.pop()
        return self._stage.chance.choices(list(self._kinds), list(self._kinds.values()))[0]

    async def _happen(self, fault: Fault) -> None:
        name = fault.__name__
        self._note(name)
        try:
            await fault(self._stage)
        except Nobody:
            self._note(f"{name}: nobody there")
            return
        self.happened[name] += 1
