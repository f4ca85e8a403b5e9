"""What is done about a page of changes."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from streamer.jobs.model import Job, Status
from streamer.store.feed import Change
from streamer.telemetry.metrics import Metrics
from tests.support import jobs
from tests.support.jobs import NOON_MS, Clock
from workers.dispatcher import MAX_OFFERED, Dispatcher

ROW = jobs.row()


class World:
    """Wake-ups with or without a free slot, a hand-over and an outbox that record."""

    def __init__(self) -> None:
        self.has_slot = True
        self.taken: list[Job] = []
        self.offered: list[Job] = []
        self.kept: list[tuple[str, Job]] = []
        self.metrics = Metrics()
        outbox: Any = self
        self.dispatcher = Dispatcher(
            take=self.take,
            offer=self.offer,
            outbox=outbox,
            queues=["default"],
            actions=["report"],
            metrics=self.metrics,
            clock=Clock(NOON_MS + 500),
        )

    def take(self, row: Job) -> bool:
        if self.has_slot:
            self.taken.append(row)
        return self.has_slot

    async def offer(self, row: Job) -> None:
        self.offered.append(row)

    def keep(self, session: str, row: Job) -> None:
        self.kept.append((session, row))

    async def submitted(self, rows: Sequence[Job]) -> None:
        await self.dispatcher.handle([Change("1", None, row) for row in rows])

    def counted(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(f"streamer_{name}", labels)


async def test_what_came_to_wait_is_taken() -> None:
    world = World()
    await world.submitted([ROW])
    assert (world.taken, world.offered) == ([ROW], [])
    assert world.counted("stream_changes_total", kind="dispatch") == 1
    assert world.counted("stream_lag_seconds_sum") == 0.5


async def test_without_a_free_slot_it_is_offered_to_another() -> None:
    world = World()
    world.has_slot = False
    await world.submitted([ROW])
    assert world.offered == [ROW]


async def test_what_is_not_for_workers_like_us_is_offered_when_it_is_due() -> None:
    world = World()
    there = [replace(ROW, job_id="a", queue="other"), replace(ROW, job_id="b", action="theirs")]
    await world.submitted([*there, replace(ROW, job_id="c", queue="other", due_ms=NOON_MS + 60_000)])
    assert (world.taken, world.offered) == ([], there)


async def test_so_many_of_a_page_are_offered() -> None:
    world = World()
    world.has_slot = False
    await world.submitted([replace(ROW, job_id=str(number)) for number in range(MAX_OFFERED + 1)])
    assert len(world.offered) == MAX_OFFERED


async def test_outcomes_are_kept_and_other_changes_only_counted() -> None:
    world = World()
    runs, done = jobs.row_in(Status.PROCESSING), jobs.row_in(Status.COMPLETED)
    await world.dispatcher.handle([Change("1", ROW, runs), Change("2", runs, done)])
    assert (world.taken, world.offered, world.kept) == ([], [], [("session-a", done)])
    assert world.counted("stream_changes_total", kind="outbox") == 1
    assert world.counted("stream_changes_total", kind="none") == 1
