"""What runs here, compared with its rows."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from streamer.errors import StoreUnavailable
from streamer.jobs.model import Job, Status
from streamer.telemetry.metrics import Metrics
from tests.support import jobs
from tests.support.until import until
from workers.attempt import Attempt, Stop
from workers.slots import Slots
from workers.upkeep import Upkeep


class World:
    """Slots with attempts, and the rows that the store has."""

    def __init__(self) -> None:
        self.slots = Slots(5, Metrics())
        self.rows: dict[str, Job] = {}
        self.owned: list[Job] = []
        self.given_back: list[Job] = []
        self.reads = 0
        self.is_away = False
        parts: Any = self
        self.upkeep = Upkeep(
            requests=parts,
            slots=self.slots,
            queues=["default"],
            session=lambda: "session-a",
            give_back=self.give_back,
            every_s=0.001,
        )

    def attempt(self, name: str) -> Attempt:
        row = jobs.row_in(Status.PROCESSING, job_id=name)
        self.rows[name] = row
        parts: Any = self
        self.slots.attempts[name] = Attempt(row, parts)
        return self.slots.attempts[name]

    async def get_many(self, job_ids: Collection[str]) -> Mapping[str, Job]:
        self.reads += 1
        if self.is_away:
            raise StoreUnavailable
        return {name: self.rows[name] for name in job_ids if name in self.rows}

    async def running(self, _queue: str, _session: str) -> Sequence[Job]:
        return self.owned

    async def give_back(self, row: Job) -> None:
        self.given_back.append(row)


async def test_rows_are_compared_with_what_runs() -> None:
    world = World()
    same, cancelled, gone, untouched = (world.attempt(name) for name in "abcd")
    world.rows["b"] = replace(world.rows["b"], cancel_requested_ms=1)
    del world.rows["c"]
    await world.upkeep.read(["a", "b", "c", "elsewhere"])
    assert [each.stop for each in (same, cancelled, gone, untouched)] == [None, Stop.CANCEL, Stop.FENCED, None]


async def test_nothing_runs_and_nothing_is_read() -> None:
    world = World()
    await world.upkeep.read(["elsewhere"])
    await world.upkeep.collect()
    assert (world.reads, world.given_back) == (0, [])


async def test_after_a_fault_of_ours_orphans_are_given_back() -> None:
    world = World()

    async def crash() -> None:
        raise RuntimeError("a fault of ours")

    hold = asyncio.Event()

    async def work() -> None:
        await hold.wait()

    world.slots.take("crashed", crash())
    world.slots.take("busy", work())
    await until(lambda: world.slots.crashed)
    world.owned = [jobs.row_in(Status.PROCESSING, job_id=name) for name in ("crashed", "busy")]
    await world.upkeep.collect()
    assert [row.job_id for row in world.given_back] == ["crashed"]
    assert not world.slots.crashed
    hold.set()
    assert await world.slots.wait(5.0)


async def test_it_goes_on_though_the_store_is_away() -> None:
    world = World()
    world.attempt("a")
    world.is_away = True
    keeping = asyncio.create_task(world.upkeep.run())
    await until(lambda: world.reads >= 2)
    keeping.cancel()
    await asyncio.wait([keeping])
