"""A chaos run: load and faults side by side, then peace, then the verdict."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from tests.chaos import figures, verdict
from tests.chaos.crew import Crew
from tests.chaos.faults import Faults
from tests.chaos.figures import Figures
from tests.chaos.load import Load
from tests.chaos.plan import Plan
from tests.chaos.stage import Stage
from tests.support.store import Engine
from tests.support.switch import Switch
from tests.support.system import system
from tests.support.until import until

START_S: Final = 90.0
DEAD_S: Final = 4.0
SETTINGS: Final = {
    "STREAMER_ACTIONS": "tests.support.acme,tests.chaos.actions",
    "STREAMER_SESSION_BEAT_S": "1",
    "STREAMER_SESSION_DEAD_S": str(DEAD_S),
    "STREAMER_SWEEP_S": "1",
    "STREAMER_GRACE_S": "3",
}
"""Short times, yet such that a busy machine does not kill everybody by itself."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a run went: what was wrong, nothing if all is well, and the figures."""

    violations: Sequence[str]
    figures: Figures


async def run(plan: Plan, engine: Engine, folder: Path, note: Callable[[str], None]) -> Report:
    """Runs the plan on an engine whose tables are made; processes log in `folder`."""
    env = {**SETTINGS, "STREAMER_WAKEUPS": plan.wakeups}
    upstream = engine.environment.get("AWS_ENDPOINT_URL_DYNAMODB")
    async with system(folder, engine, env) as running, Switch([]) as switch, AsyncExitStack() as stack:
        wanted = {"app": plan.nodes, "worker": plan.workers}
        crew = await stack.enter_async_context(Crew(running, switch, wanted, upstream))
        load = Load(plan, switch.url, running.ledger)
        chance = plan.chance("faults")
        stage = Stage(system=running, switch=switch, crew=crew, load=load, chance=chance, dead_s=DEAD_S)
        return await _Run(plan, stage, note).through()


class _Run:
    """The stages of a run, each noted with its time."""

    def __init__(self, plan: Plan, stage: Stage, note: Callable[[str], None]) -> None:
        self._plan = plan
        self._stage = stage
        self._crew, self._load = stage.crew, stage.load
        self._note_line = note
        self._started = asyncio.get_running_loop().time()
        self._faults = Faults(stage, every_s=plan.fault_every_s, note=self._note)

    async def through(self) -> Report:
        async with asyncio.TaskGroup() as group:
            keeping = group.create_task(self._crew.keep(), name="crew")
            await until(lambda: self._crew.is_complete, timeout_s=START_S, what="all processes are ready")
            living = group.create_task(self._load.live(), name="clients")
            await self._chaos()
            await self._peace()
            seconds = self._seconds()
            await _end(living)
            found = await verdict.unrest(self._stage.system, self._crew)
            await _end(keeping)
        found += await verdict.violations(self._stage.system, self._crew, self._load)
        self._note(f"the verdict: {len(found)} violations")
        if found or self._plan.keep:
            self._write_down()
        return Report(found, self._figures(seconds))

    async def _chaos(self) -> None:
        self._note("all processes are ready")
        ordering = asyncio.create_task(self._load.order(), name="orders")
        try:
            await self._faults.run(self._plan.minutes * 60)
        finally:
            await _end(ordering)

    async def _peace(self) -> None:
        """Faults are over; every client waits for every outcome, but not for ever."""
        self._note("no more faults")
        try:
            await until(lambda: self._load.is_settled, timeout_s=self._plan.settle_s)
        except AssertionError:
            self._note("not every client has its outcomes")
        else:
            self._note("every client has its outcomes")

    def _write_down(self) -> None:
        """What every connection sent and received, beside the logs of the processes."""
        system = self._stage.system
        with (system.runs.parent / "clients.jsonl").open("wb") as file:
            for connection, events in system.ledger.history.items():
                file.writelines(orjson.dumps([connection, way, frame]) + b"\n" for way, frame in events)

    def _seconds(self) -> float:
        return asyncio.get_running_loop().time() - self._started

    def _note(self, what: str) -> None:
        self._note_line(f"{self._seconds():6.1f} s  {what}")

    def _figures(self, seconds: float) -> Figures:
        system = self._stage.system
        return figures.drawn(
            self._plan,
            self._load,
            system.ledger,
            system.processes,
            faults=self._faults.happened,
            store_calls=self._crew.calls,
            seconds=seconds,
        )


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
