"""The frame that follows from a row."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from streamer.errors import NotFound, StoreUnavailable
from streamer.jobs.model import Job, Status
from tests.support import jobs
from workers.reports import DIED, LEFT, Reports


class World:
    """A courier that keeps frames, and a store that loads results."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int, dict[str, Any]]] = []
        self.error: Exception | None = None
        parts: Any = self
        self.reports = Reports(parts, parts, clock=lambda: 5.0)

    def send(self, _job: Job, kind: str, seq: int, frame: bytes) -> None:
        self.sent.append((kind, seq, orjson.loads(frame)))

    async def load(self, _row: Job, _body: object) -> bytes:
        if self.error is not None:
            raise self.error
        return b'"loaded"'


def row_in(status: Status, **fields: Any) -> Job:
    return replace(jobs.row_in(status), routes=frozenset({"n1.a"}), **fields)


async def test_nobody_listens() -> None:
    world = World()
    await world.reports.tell(jobs.row_in(Status.COMPLETED), LEFT)
    assert world.sent == []


async def test_a_result_at_hand_is_sent() -> None:
    world = World()
    await world.reports.tell(row_in(Status.COMPLETED), LEFT, result=b'"mine"')
    ((kind, seq, frame),) = world.sent
    assert (kind, seq, frame["type"], frame["result"]) == ("outcome", 1, "complete", "mine")


async def test_a_result_that_somebody_else_wrote_is_loaded() -> None:
    world = World()
    await world.reports.tell(row_in(Status.COMPLETED), DIED)
    assert world.sent[0][2]["result"] == "loaded"


@pytest.mark.parametrize("error", [StoreUnavailable(), NotFound()])
async def test_a_result_that_cannot_be_loaded_is_left_to_whoever_reads_the_row(error: Exception) -> None:
    world = World()
    world.error = error
    await world.reports.tell(row_in(Status.COMPLETED), DIED)
    assert world.sent == []


async def test_a_failure_is_an_outcome() -> None:
    world = World()
    await world.reports.tell(row_in(Status.FAILED), DIED)
    assert world.sent[0][2]["error"]["code"] == jobs.OOPS.code


@pytest.mark.parametrize(("due_ms", "retry_at"), [(None, 5.0), (9_000, 9.0)])
async def test_a_job_that_will_run_again(due_ms: int | None, retry_at: float) -> None:
    world = World()
    await world.reports.tell(row_in(Status.PENDING, attempt=1, seq=1_000_000_003, due_ms=due_ms), DIED)
    ((kind, seq, frame),) = world.sent
    assert (kind, seq, frame["type"], frame["attempt"]) == ("retrying", 1_000_000_003, "retrying", 1)
    assert (frame["error"]["code"], frame["retry_at"], frame["continues_from"]) == ("WORKER_LOST", retry_at, 0)
