"""Which ticks a worker starts, and what it does about those that it missed."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from streamer.definitions import define
from streamer.errors import DuplicateRequest, StoreUnavailable
from streamer.intake import Policy
from streamer.jobs import ids, lifecycle
from streamer.jobs.model import Job, Submission
from streamer.registry import Registry
from streamer.schedules import Schedule
from streamer.schedules import define as schedule
from streamer.store.base import Enqueued
from streamer.submitter import Submitter
from tests.support.until import until
from workers.schedules import NAP_S, Schedules

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


async def clean(_: object, request: Any) -> None: ...


class Time:
    """A wall clock that moves by sleeping. It stops for good at `end`, where `over` is set."""

    def __init__(self, start: datetime, end: datetime) -> None:
        self.now = start
        self.end = end
        self.over = asyncio.Event()
        self.naps: list[float] = []
        self.on_sleep: Callable[[], None] = lambda: None  # the world goes on meanwhile

    def __call__(self) -> int:
        return int(self.now.timestamp() * 1000)

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.on_sleep()
        await asyncio.sleep(0)  # the others have their turn
        self.now += timedelta(seconds=seconds)
        if self.now >= self.end:
            self.over.set()
            await asyncio.Event().wait()


class Requests:
    """A store that counts what is asked. `fault`: what a read comes to, `refusal`: what a write does; None: neither."""

    def __init__(self) -> None:
        self.rows: dict[str, Job] = {}
        self.reads = 0
        self.writes: list[Submission] = []
        self.fault: Exception | None = None
        self.refusal: Exception | None = None
        self.shows_rows = True  # False: they are written after the read
        self.on_read: Callable[[], None] = lambda: None

    async def get(self, job_id: str) -> Job | None:
        self.reads += 1
        self.on_read()
        if self.fault is not None:
            raise self.fault
        return self.rows.get(job_id) if self.shows_rows else None

    async def enqueue(self, submission: Submission) -> Enqueued:
        if self.refusal is not None:
            raise self.refusal
        self.writes.append(submission)
        job = lifecycle.submit(submission, "nonce", 0, 0)
        created = job.job_id not in self.rows
        return Enqueued(self.rows.setdefault(job.job_id, job), created)


class Scene:
    def __init__(self, start: datetime, end: datetime) -> None:
        self.time = Time(start, end)
        self.requests: Any = Requests()
        self.is_right = True  # the clock

    async def ran(self, *declared: Schedule, **options: Any) -> list[str]:
        """The ticks whose jobs were written until the time was over."""
        registry = Registry([define("clean", clean)], threads=1)
        submitter = Submitter(registry, self.requests, Policy(max_retries=3, start_within_ms=60_000), tell=None)
        given = {"clock": self.time, "sleep": self.time.sleep, "chance": lambda: 0.5, **options}
        task = asyncio.create_task(Schedules(declared, submitter, self.requests, **given).run(), name="under test")
        await until(lambda: self.time.over.is_set() or task.done())
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None
        return [submission.client_id.rpartition(":")[2] for submission in self.requests.writes]


def hourly(**options: Any) -> Schedule:
    return schedule("0 * * * *", action="clean", **options)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


async def test_each_tick_becomes_one_job() -> None:
    scene = Scene(NOON - timedelta(minutes=1), NOON + timedelta(minutes=150))
    assert await scene.ran(hourly(missed="skip", payload={"n": 1})) == [
        "20261122T1200Z",
        "20261122T1300Z",
        "20261122T1400Z",
    ]
    first = scene.requests.writes[0]
    assert (first.tenant, first.user, first.action, first.payload) == ("system", "schedule", "clean", b'{"n":1}')
    assert first.metadata == {"schedule": "clean", "tick": "2026-11-22T12:00:00+00:00"}


async def test_every_schedule_has_its_own_ticks() -> None:
    scene = Scene(NOON - timedelta(minutes=1), NOON + timedelta(minutes=30))
    other = schedule("15 * * * *", action="clean", name="other")
    assert await scene.ran(hourly(), other, max_age_s=600) == ["20261122T1200Z", "20261122T1215Z"]


async def test_it_wakes_up_just_after_a_tick_and_at_least_twice_a_minute() -> None:
    scene = Scene(NOON - timedelta(seconds=70), NOON)
    await scene.ran(hourly(missed="skip"))
    assert scene.time.naps == [NAP_S, NAP_S, 10.5]


async def test_a_tick_that_another_worker_started_costs_a_read() -> None:
    scene = Scene(NOON - timedelta(minutes=1), NOON + timedelta(minutes=30))
    made = hourly()
    name = made.client_id(NOON)
    scene.requests.rows[ids.job_id("system", "schedule", name)] = "a row"
    assert await scene.ran(made, max_age_s=60) == []
    assert scene.requests.reads == 1


async def test_the_newest_tick_that_came_while_no_worker_was_up_is_made_up_for() -> None:
    scene = Scene(NOON + timedelta(minutes=20), NOON + timedelta(minutes=30))
    assert await scene.ran(hourly()) == ["20261122T1200Z"]


async def test_a_missed_tick_that_is_over_a_day_old_is_not() -> None:
    monthly = schedule("0 0 21 * *", action="clean")
    scene = Scene(at("2026-11-22T00:00:01"), NOON)
    assert await scene.ran(monthly) == []


async def test_a_missed_tick_is_not_made_up_for_where_its_row_may_be_forgotten_by_now() -> None:
    scene = Scene(NOON + timedelta(minutes=20), NOON + timedelta(minutes=30))
    assert await scene.ran(hourly(), max_age_s=600) == []


async def test_a_schedule_that_skips_makes_up_for_nothing() -> None:
    scene = Scene(NOON + timedelta(minutes=20), NOON + timedelta(minutes=30))
    assert await scene.ran(hourly(missed="skip")) == []


@pytest.mark.parametrize(("missed", "ran"), [("last", ["20261122T1200Z", "20261122T1500Z"]), ("skip", [])])
async def test_a_worker_that_was_suspended(missed: str, ran: list[str]) -> None:
    """It wakes up hours later by the wall clock: of the ticks between, the newest counts, or none."""
    scene = Scene(NOON + timedelta(minutes=1), NOON + timedelta(hours=3, minutes=30))

    def suspend() -> None:
        scene.time.on_sleep = lambda: None
        scene.time.now += timedelta(hours=3, minutes=10)

    scene.time.on_sleep = suspend
    assert await scene.ran(hourly(missed=missed)) == ran


async def test_a_clock_that_is_set_back_starts_nothing_twice() -> None:
    scene = Scene(NOON - timedelta(seconds=1), NOON + timedelta(minutes=30))

    def set_back() -> None:
        if scene.time.now > NOON:
            scene.time.on_sleep = lambda: None
            scene.time.now -= timedelta(minutes=1)

    scene.time.on_sleep = set_back
    assert await scene.ran(hourly(missed="skip")) == ["20261122T1200Z"]
    assert scene.requests.reads == 2


async def test_a_worker_whose_clock_is_wrong_starts_nothing_until_it_is_right() -> None:
    scene = Scene(NOON + timedelta(minutes=50), NOON + timedelta(minutes=70))  # by its clock, an hour ahead

    def set_right() -> None:
        if scene.time.now > NOON + timedelta(minutes=65):
            scene.time.on_sleep = lambda: None
            scene.time.now -= timedelta(hours=1)
            scene.is_right = True

    scene.is_right = False
    scene.time.on_sleep = set_right
    assert await scene.ran(hourly(missed="skip"), is_right=lambda: scene.is_right) == ["20261122T1300Z"]
    assert scene.requests.reads == 1


async def test_a_store_that_is_away_is_tried_again() -> None:
    scene = Scene(NOON - timedelta(seconds=1), NOON + timedelta(minutes=10))
    scene.requests.fault = StoreUnavailable()

    def back_at_the_second_read() -> None:
        if scene.requests.reads == 2:
            scene.requests.fault = None

    scene.requests.on_read = back_at_the_second_read
    assert await scene.ran(hourly(missed="skip")) == ["20261122T1200Z"]


async def test_a_store_that_stays_away_until_the_next_tick_costs_the_one_before() -> None:
    scene = Scene(NOON - timedelta(seconds=1), NOON + timedelta(minutes=70))
    scene.requests.fault = StoreUnavailable()

    def hours_pass() -> None:
        if scene.requests.fault is not None and scene.requests.reads == 2:
            scene.time.now += timedelta(hours=1)
        if scene.requests.reads == 3:
            scene.requests.fault = None

    scene.requests.on_read = hours_pass
    with capture_logs() as lines:
        assert await scene.ran(hourly(), max_age_s=1_800) == ["20261122T1300Z"]
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == ["schedule_missed"]


async def test_a_payload_that_two_workers_make_differently() -> None:
    scene = Scene(NOON - timedelta(seconds=1), NOON + timedelta(minutes=10))
    scene.requests.refusal = DuplicateRequest()
    with capture_logs() as lines:
        assert await scene.ran(hourly(missed="skip")) == []
    assert [line["event"] for line in lines] == ["schedule_ambiguous"]


async def test_a_fault_of_one_tick_is_not_one_of_the_next() -> None:
    def payload(tick: datetime) -> int:
        if tick.hour == 12:
            raise RuntimeError("no payload at noon")
        return tick.hour

    scene = Scene(NOON - timedelta(seconds=1), NOON + timedelta(minutes=70))
    with capture_logs() as lines:
        assert await scene.ran(hourly(missed="skip", payload=payload)) == ["20261122T1300Z"]
    assert [line["event"] for line in lines] == ["schedule_failed", "schedule_started"]


async def test_a_tick_that_two_workers_start_at_once_is_logged_by_the_faster_one() -> None:
    scene = Scene(NOON - timedelta(seconds=1), NOON + timedelta(minutes=10))
    made = hourly(missed="skip")

    name = made.client_id(NOON)
    scene.requests.rows[ids.job_id("system", "schedule", name)] = "a row"
    scene.requests.shows_rows = False
    with capture_logs() as lines:
        assert len(await scene.ran(made)) == 1
    assert lines == []


async def test_without_schedules_there_is_nothing_to_follow() -> None:
    scene = Scene(NOON, NOON)
    assert await scene.ran() == []
