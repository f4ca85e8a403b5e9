"""From a lead to a row that is ours, whatever becomes of the answers."""

from dataclasses import replace
from typing import Any

import pytest

from streamer.errors import Fenced, StoreUnavailable
from streamer.jobs.model import Job, Status
from streamer.telemetry.metrics import Metrics
from tests.support import jobs
from workers.claims import Claims
from workers.order import Lead

LEAD = Lead("j1", "default", "report", "sweep")


class World:
    """The store, the session and the reports of one `Claims`."""

    def __init__(self) -> None:
        self.id = "session-a"
        self.answer: Job | None = None
        self.error: Exception | None = None
        self.release_error: Exception | None = None
        self.row: Job | None = None
        self.outcomes: list[Job] = []
        self.told: list[Job] = []
        self.metrics = Metrics()
        parts: Any = self
        self.claims = Claims(requests=parts, session=parts, reports=parts, metrics=self.metrics)

    async def claim(self, _job_id: str, _queue: str, _session: str) -> Job | None:
        if self.error is not None:
            raise self.error
        return self.answer

    async def get(self, _job_id: str) -> Job | None:
        return self.row

    async def release(self, row: Job) -> Job:
        if self.release_error is not None:
            raise self.release_error
        return replace(row, status=Status.PENDING, owner=None)

    async def outcome(self, row: Job) -> None:
        self.outcomes.append(row)

    async def tell(self, row: Job, _reason: object) -> None:
        self.told.append(row)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_claim_that_was_applied_is_ours_though_its_answer_was_lost(world: World) -> None:
    world.error = StoreUnavailable()
    world.row = jobs.row_in(Status.PROCESSING)
    assert await world.claims.claim(LEAD) is world.row


@pytest.mark.parametrize("row", [None, jobs.row(), replace(jobs.row_in(Status.PROCESSING), owner="session-b")])
async def test_a_claim_that_was_not_applied_is_not_ours(world: World, row: Job | None) -> None:
    world.error = StoreUnavailable()
    world.row = row
    assert await world.claims.claim(LEAD) is None


async def test_a_job_that_was_expired_by_the_claim_is_told(world: World) -> None:
    world.answer = jobs.row_in(Status.FAILED)
    assert await world.claims.claim(LEAD) is None
    assert world.outcomes == [world.answer]


async def test_a_claim_of_a_session_that_is_over_is_given_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.answer = jobs.row_in(Status.PROCESSING)

    async def claim(*_: str) -> Job | None:
        world.id = "session-b"
        return world.answer

    monkeypatch.setattr(world, "claim", claim)
    assert await world.claims.claim(LEAD) is None
    assert [row.status for row in world.told] == [Status.PENDING]


async def test_what_somebody_else_has_by_now_is_not_told(world: World) -> None:
    world.release_error = Fenced()
    await world.claims.give_back(jobs.row_in(Status.PROCESSING))
    assert world.told == []


@pytest.mark.parametrize(("due_ms", "attempt", "observed"), [(None, 1, 1), (None, 2, 0), (jobs.NOON_MS, 2, 1)])
async def test_how_long_a_job_waited_is_observed_where_it_is_known(
    world: World, due_ms: int | None, attempt: int, observed: int
) -> None:
    world.answer = replace(jobs.row_in(Status.PROCESSING), attempt=attempt)
    await world.claims.claim(replace(LEAD, due_ms=due_ms))
    sample = world.metrics.registry.get_sample_value("streamer_start_delay_seconds_count", {"wakeup": "sweep"})
    assert (sample or 0) == observed
