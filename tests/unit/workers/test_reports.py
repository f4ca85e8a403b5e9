"""The frame that follows from a row."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import orjson
import pytest

from streamer.errors import NotFound, StoreUnavailable
from streamer.jobs.model import Job, Kept, Status
from streamer.store.base import Subscription
from tests.support import jobs
from workers.reports import DIED, LEFT, Reports


class World:
    """A courier that keeps frames, and a store that loads results and knows watchers."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, int, dict[str, Any]]] = []
        self.to: list[frozenset[str]] = []
        self.chunks: list[int] = []
        self.error: Exception | None = None
        self.watching: set[str] = set()
        self.is_away = False  # for subscriptions
        parts: Any = self
        self.reports = Reports(parts, parts, parts, clock=lambda: 5.0)

    def send(self, _job: Job, kind: str, seq: int, frame: bytes, *, to: frozenset[str], chunks: int) -> None:
        self.sent.append((kind, seq, orjson.loads(frame)))
        self.to.append(to)
        self.chunks.append(chunks)

    async def load(self, _row: Job, _body: object) -> bytes:
        if self.error is not None:
            raise self.error
        return b'"loaded"'

    async def list_by_request(self, job_id: str) -> Sequence[Subscription]:
        return [
            Subscription(job_id=job_id, connection_id=name, tenant="acme", user="bob", expires_ms=1)
            for name in self.watching
        ]

    async def unsubscribe(self, _job_id: str, connection_ids: Collection[str]) -> None:
        if self.is_away:
            raise StoreUnavailable
        self.watching -= set(connection_ids)


def row_in(status: Status, **fields: Any) -> Job:
    return replace(jobs.row_in(status), routes=frozenset({"n1.a"}), **fields)


async def test_nobody_listens() -> None:
    world = World()
    await world.reports.tell(jobs.row_in(Status.COMPLETED), LEFT)
    await world.reports.tell(jobs.row_in(Status.PENDING), LEFT)
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


async def test_an_outcome_says_how_much_output_there_is() -> None:
    world = World()
    await world.reports.tell(row_in(Status.COMPLETED, chunks=12), LEFT)
    assert world.chunks == [12]
    assert world.sent[0][2]["chunks"] == 12


async def test_a_job_that_will_run_again_says_what_of_its_output_stands() -> None:
    world = World()
    await world.reports.tell(row_in(Status.RETRYING, kept=(Kept(1, 4), Kept(2, 9))), DIED)
    assert world.chunks == [9]
    assert world.sent[0][2]["continues_from"] == 9


async def test_a_job_that_was_lost_for_good_has_the_output_that_was_kept() -> None:
    world = World()
    await world.reports.tell(row_in(Status.FAILED, kept=(Kept(1, 4),)), DIED)
    assert world.chunks == [4]


@pytest.mark.parametrize("status", [Status.COMPLETED, Status.RETRYING])
async def test_watchers_are_told_and_no_more_once_there_is_an_outcome(status: Status) -> None:
    world = World()
    world.watching = {"n2.w"}
    row = row_in(status, watch_version=3)
    await world.reports.tell(row, LEFT)
    assert world.to == [{"n1.a", "n2.w"}]
    assert world.watching == (set() if row.finished else {"n2.w"})


async def test_subscriptions_that_cannot_be_removed_are_left_to_expire() -> None:
    world = World()
    world.watching, world.is_away = {"n2.w"}, True
    await world.reports.tell(row_in(Status.COMPLETED, watch_version=1), LEFT)
    assert world.to == [{"n1.a", "n2.w"}]
