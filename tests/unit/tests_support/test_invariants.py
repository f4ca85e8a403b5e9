from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.jobs import dispatch
from streamer.jobs.model import Job, Status
from streamer.store.base import Store
from streamer.store.open import open_store
from tests.support.index import rows_of
from tests.support.invariants import check, index_violations, output, output_violations
from tests.support.jobs import NOON_MS, Clock, row, row_in
from tests.unit.tests_support.histories import (
    ACK,
    ANSWER,
    ASK,
    JOB,
    SUBSCRIBE,
    SUBSCRIBED,
    WELCOME,
    Frame,
    chunk,
    complete,
    error,
    inline_chunk,
    ledger,
    over,
    progress,
    resume,
    resumed,
    retrying,
    watched,
)

# --- output ---------------------------------------------------------------------------------------------------

CUT = [WELCOME, ASK, ACK, chunk(0, 1), chunk(1, 2)]
RETURNED = [WELCOME, resume(1, 2, 2), resumed("r1"), chunk(2, 3), complete(4, chunks=3)]


def test_a_client_puts_together_what_its_connections_got() -> None:
    assert output(over(CUT, RETURNED), ["c0", "c1"], "r1") == ["piece 0", "piece 1", "piece 2"]
    assert output(over(CUT, RETURNED), ["c0"], "r1") == ["piece 0", "piece 1"]
    assert output(over(CUT, RETURNED), ["c0", "c1", "c2"], "r2") == []


def test_what_is_void_is_forgotten() -> None:
    again = [WELCOME, resume(1, 2, 2), resumed("r1"), retrying(3, 1), chunk(1, 1, 2, "other"), complete(2, 2, chunks=2)]
    assert output(over(CUT, again), ["c0", "c1"], "r1") == ["piece 0", "other"]


def test_what_is_missing_is_no_output() -> None:
    with pytest.raises(AssertionError, match=r"only chunks \[2\]"):
        output(over(CUT, RETURNED), ["c1"], "r1")


def test_everybody_has_the_same_output() -> None:
    watcher = [WELCOME, SUBSCRIBE, SUBSCRIBED, *watched(chunk(0, 1), chunk(1, 2), chunk(2, 3), complete(4, chunks=3))]
    assert list(output_violations(over(CUT, RETURNED, watcher))) == []


@pytest.mark.parametrize("other", [chunk(2, 3, data="other"), chunk(2, 1, attempt=2)])
def test_somebody_has_other_output(other: Frame) -> None:
    found = list(output_violations(over(RETURNED, [*RETURNED[:3], other, complete(4, chunks=3)])))
    assert [sentence.partition(" is ")[0] for sentence in found] == [f"{JOB}: chunk 2"]


def test_void_output_may_differ() -> None:
    first = [WELCOME, ASK, ACK, chunk(0, 1, data="void"), retrying(2, 0), chunk(0, 1, 2), complete(2, 2, chunks=1)]
    second = [WELCOME, ASK, ACK, chunk(0, 1, 2), complete(2, 2, chunks=1)]
    assert list(output_violations(over(first, second))) == []


def test_pieces_of_inline_answers_are_nobodys_output() -> None:
    other = {**inline_chunk(0), "data": "other"}
    assert list(output_violations(over([ASK, inline_chunk(0), ANSWER], [ASK, other, ANSWER]))) == []


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
async def test_two_connections_that_heard_two_outcomes(store: Store, other: Frame) -> None:
    await put(store, DONE)
    both = ledger(ASK, ACK, other, connection="c2", into=ledger(ASK, ACK, complete(2)))
    with pytest.raises(AssertionError, match="two outcomes"):
        await check(both, store)


@pytest.mark.parametrize("told", [error(2), complete(2, 2)])
async def test_an_outcome_that_the_row_does_not_have(store: Store, told: Frame) -> None:
    await put(store, DONE)
    with pytest.raises(AssertionError, match="was told, the row is COMPLETED in 1"):
        await check(ledger(ASK, ACK, told), store)


async def test_check_tells_of_clients_too(store: Store) -> None:
    with pytest.raises(AssertionError, match="never answered"):
        await check(ledger(ASK), store)


async def test_check_tells_of_output_too(store: Store) -> None:
    await put(store, replace(DONE, chunks=1))
    histories = [[WELCOME, ASK, ACK, chunk(0, 1, data=data), complete(2, chunks=1)] for data in ("one", "other")]
    with pytest.raises(AssertionError, match="chunk 0 is"):
        await check(over(*histories), store)


async def test_another_number_of_chunks_than_the_row_has(store: Store) -> None:
    await put(store, replace(DONE, chunks=2))
    with pytest.raises(AssertionError, match="1 chunks were told, the row has 2"):
        await check(ledger(ASK, ACK, complete(2, chunks=1)), store)


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
