from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamer.jobs import dispatch
from streamer.jobs.model import Job, Status
from streamer.store.base import Store
from streamer.store.open import open_store
from tests.support.index import rows_of
from tests.support.invariants import Ledger, check, client_violations, index_violations
from tests.support.jobs import NOON_MS, Clock, row, row_in

JOB = row().job_id
ASK = {"action": "report", "id": "r1"}
CANCEL = {"type": "cancel", "request_id": "r1"}
ACK = {"type": "acknowledgment", "request_id": "r1", "job_id": JOB, "attempt": 0, "seq": 0}
ANSWER = {"type": "response", "request_id": "r1", "success": True, "data": 1}
REFUSAL = {"type": "error", "request_id": "r1", "final": False, "error": {"code": "DUPLICATE_REQUEST"}}
INLINE_ERROR = {"type": "error", "request_id": "r1", "final": True, "error": {"code": "TIMEOUT"}}
INLINE_PROGRESS = {"type": "progress", "request_id": "r1", "percentage": 5}
CANCELLING = {"type": "cancelling", "request_id": "r1", "status": "PROCESSING"}


def about(kind: str, seq: int, attempt: int = 1, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "request_id": "r1", "job_id": JOB, "attempt": attempt, "seq": seq, **fields}


def progress(seq: int, percentage: float = 0, attempt: int = 1) -> dict[str, Any]:
    return about("progress", seq, attempt, percentage=percentage)


def complete(seq: int, attempt: int = 1, result: object = "done") -> dict[str, Any]:
    return about("complete", seq, attempt, result=result)


def error(seq: int, attempt: int = 1) -> dict[str, Any]:
    return about("error", seq, attempt, final=True, error={"code": "PROCESSING_FAILED"})


def ledger(*frames: dict[str, Any], connection: str = "c1", into: Ledger | None = None) -> Ledger:
    """What a client sends has no `seq` and no answer in it; everything else was received."""
    made = into or Ledger()
    for frame in frames:
        (made.sent if frame in (ASK, CANCEL) or frame.get("type") == "ping" else made.received)(connection, frame)
    return made


GOOD = {
    "nothing": [],
    "an inline answer": [ASK, ANSWER],
    "an inline error": [ASK, INLINE_ERROR],
    "inline progress": [ASK, INLINE_PROGRESS, INLINE_PROGRESS, ANSWER],
    "a repeat that joins an inline request": [ASK, ASK, ANSWER],
    "a repeat that is answered again": [ASK, ASK, ANSWER, ANSWER],
    "a repeat after an inline answer": [ASK, ANSWER, ASK, ANSWER],
    "a refusal": [ASK, REFUSAL],
    "a job": [ASK, ACK, progress(1, 10), progress(4, 100), complete(5)],
    "a job without progress": [ASK, ACK, complete(2)],
    "a failed job": [ASK, ACK, progress(1), error(2)],
    "another attempt": [ASK, ACK, progress(9, 60), about("retrying", 10), progress(1, 5, 2), complete(2, 2)],
    "a repeat that joins": [ASK, ACK, progress(1), ASK, ACK, progress(2), complete(3)],
    "a repeat that is refused": [ASK, ACK, ASK, REFUSAL, complete(1)],
    "a repeat after the outcome": [ASK, ACK, complete(3), ASK, ACK, complete(3)],
    "a cancel": [ASK, ACK, CANCEL, CANCELLING, error(2)],
    "a cancel of what is finished": [ASK, ACK, complete(3), CANCEL, complete(3)],
    "a cancel of what is not there": [CANCEL, REFUSAL],
    "frames about no request": [{"type": "welcome"}, {"type": "pong"}, {"type": "error", "final": False}],
    "a ping": [{"type": "ping", "id": "p"}, {"type": "pong", "id": "p"}],
}
BAD = {
    "never answered": [ASK],
    "only one of two was answered": [ASK, ANSWER, ASK],
    "no outcome": [ASK, ACK, progress(1)],
    "two outcomes": [ASK, ACK, complete(2), complete(3)],
    "two outcomes of different kinds": [ASK, ACK, error(2), complete(3)],
    "two inline answers": [ASK, ANSWER, ANSWER],
    "an answer to nothing": [ANSWER],
    "inline progress after the answer": [ASK, ANSWER, INLINE_PROGRESS],
    "an acknowledgment of nothing": [ACK, complete(1)],
    "two acknowledgments": [ASK, ACK, ACK, complete(1)],
    "a refusal of nothing": [REFUSAL],
    "progress before the acknowledgment": [ASK, progress(1), ACK, complete(2)],
    "an outcome without an acknowledgment": [ASK, complete(2)],
    "progress after the outcome": [ASK, ACK, complete(2), progress(3)],
    "a seq that repeats": [ASK, ACK, progress(1), progress(1), complete(2)],
    "a seq that falls": [ASK, ACK, progress(5), progress(4), complete(6)],
    "an outcome that sorts before its progress": [ASK, ACK, progress(5), complete(5)],
    "an older attempt": [ASK, ACK, progress(1, 0, 2), progress(9, 0, 1), complete(2, 2)],
    "a percentage that falls": [ASK, ACK, progress(1, 50), progress(2, 40), complete(3)],
}


@pytest.mark.parametrize("frames", GOOD.values(), ids=GOOD.keys())
def test_a_history_that_keeps_the_promises(frames: list[dict[str, Any]]) -> None:
    assert client_violations(ledger(*frames)) == []


@pytest.mark.parametrize("frames", BAD.values(), ids=BAD.keys())
def test_a_history_that_breaks_one(frames: list[dict[str, Any]]) -> None:
    assert client_violations(ledger(*frames))


def test_nothing_is_owed_to_a_connection_that_was_lost() -> None:
    left = ledger(ASK, ACK, progress(1))
    left.lost("c1")
    assert client_violations(left) == []


def test_a_lost_connection_still_saw_things_in_order() -> None:
    left = ledger(ASK, ACK, progress(2), progress(1))
    left.lost("c1")
    assert client_violations(left) == ["c1: r1: progress (1, 1) came after (1, 2)"]


# --- with a store ---------------------------------------------------------------------------------------------

DONE = replace(row_in(Status.COMPLETED), seq=2)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(f"sqlite:///{tmp_path}/streamer.db", clock=Clock()) as opened:
        await opened.create()
        yield opened


async def put(store: Store, job: Job) -> None:
    assert await rows_of(store).insert(job, NOON_MS) is None


async def test_all_is_well(store: Store) -> None:
    await put(store, DONE)
    await put(store, replace(row_in(Status.FAILED), job_id="f" * 32))
    await put(store, replace(row_in(Status.PROCESSING), job_id="e" * 32))
    both = ledger(ASK, ACK, complete(2), connection="c2", into=ledger(ASK, ACK, progress(1), complete(2)))
    await check(both, store)


@pytest.mark.parametrize("status", [Status.PENDING, Status.PROCESSING, Status.RETRYING, None])
async def test_an_acknowledged_job_that_is_not_terminal(store: Store, status: Status | None) -> None:
    if status is not None:
        await put(store, row_in(status))
    seen = ledger(ASK, ACK)
    seen.lost("c1")
    with pytest.raises(AssertionError, match=f"{JOB}: acknowledged, and"):
        await check(seen, store)


@pytest.mark.parametrize("other", [error(2), complete(2, 2), complete(2, result="other")])
async def test_two_connections_that_heard_two_outcomes(store: Store, other: dict[str, Any]) -> None:
    await put(store, DONE)
    both = ledger(ASK, ACK, other, connection="c2", into=ledger(ASK, ACK, complete(2)))
    with pytest.raises(AssertionError, match="two outcomes"):
        await check(both, store)


@pytest.mark.parametrize("told", [error(2), complete(2, 2)])
async def test_an_outcome_that_the_row_does_not_have(store: Store, told: dict[str, Any]) -> None:
    await put(store, DONE)
    with pytest.raises(AssertionError, match="was told, the row is COMPLETED in 1"):
        await check(ledger(ASK, ACK, told), store)


async def test_check_tells_of_clients_too(store: Store) -> None:
    with pytest.raises(AssertionError, match="never answered"):
        await check(ledger(ASK), store)


PLACES = {
    "R": dispatch.ready(row()),
    "T": dispatch.timer(row(), NOON_MS),
    "L": dispatch.running(JOB, "default", "session-a", NOON_MS),
    "D": dispatch.dead(row(), NOON_MS),
    "none": None,
}
RIGHT = {
    Status.PENDING: {"R", "T"},
    Status.RETRYING: {"T"},
    Status.PROCESSING: {"L"},
    Status.COMPLETED: {"none"},
    Status.CANCELLED: {"none"},
    Status.FAILED: {"D", "none"},
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("status", Status)
async def test_a_row_in_the_wrong_place(store: Store, status: Status, place: str) -> None:
    job = row_in(status, entry=PLACES[place])
    await put(store, job)
    found = await index_violations(store, "default", {JOB: job})
    assert bool(found) is (place not in RIGHT[status])


async def test_another_queue_is_not_looked_at(store: Store) -> None:
    job = row_in(Status.PROCESSING, entry=None)
    await put(store, job)
    assert await index_violations(store, "other", {JOB: job}) == []
