"""The inline runs that wait for something, and the one timer that looks after all of them."""

import asyncio
import time
from collections.abc import Iterator
from typing import Final

from app.run import Run

LOOKS: Final = 20
"""A run is stopped at most a twentieth of its time too late."""
MIN_STEP_S: Final = 0.05
MAX_STEP_S: Final = 1.0


class Waiting:
    """Stops runs whose time is over. A timer for each would cost more than most handlers."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._runs: set[Run] = set()
        self._step_s = MAX_STEP_S  # between two looks, as the shortest run asked since nothing waited
        self._timer: asyncio.TimerHandle | None = None  # while a run waits, and until the look after that

    def __len__(self) -> int:
        return len(self._runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self._runs)

    def add(self, run: Run) -> None:
        self._runs.add(run)
        if self._timer is None or run.promotion is not None or run.deadline - run.started < LOOKS * self._step_s:
            self._look_in_time(run)

    def discard(self, run: Run) -> None:
        self._runs.discard(run)

    def _look_in_time(self, run: Run) -> None:
        due = run.deadline if run.promotion is None else min(run.deadline, run.promotion.at)
        step_s = min(MAX_STEP_S, max(MIN_STEP_S, (due - run.started) / LOOKS))
        if self._timer is None:
            self._look_after(step_s)
        elif step_s < self._step_s:
            self._timer.cancel()
            self._look_after(step_s)

    def _look(self) -> None:
        now = time.monotonic()
        for run in self._runs:
            if run.deadline <= now:
                run.stop("timeout")
            elif run.promotion is not None and run.promotion.at <= now:
                run.promote()
        if self._runs:
            self._look_after(self._step_s)
        else:
            self._timer = None

    def _look_after(self, step_s: float) -> None:
        self._step_s = step_s
        self._timer = self._loop.call_later(step_s, self._look)
