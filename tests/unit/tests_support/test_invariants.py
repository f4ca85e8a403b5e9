from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamer.jobs import dispatch
from streamer.jobs.model import Job, Status
from streamer.store.base import Store
from streamer.store.open import open_store
from tests.support.index import rows_of
from tests.support.invariants import Ledger, check, client_violations, index_violations, output, output_violations
from tests.support.jobs import NOON_MS, Clock, row, row_in

Frame = dict[str, Any]

JOB = row().job_id
ASK = {"action": "report", "id": "r1"}
CANCEL = {"type": "cancel", "request_id": "r1"}
ACK = {"type": "acknowledgment", "request_id": "r1", "job_id": JOB, "attempt": 0, "seq": 0}
ANSWER = {"type": "response", "request_id": "r1", "success": True, "data": 1}
REFUSAL = {"type": "error", "request_id": "r1", "final": False, "error": {"code": "DUPLICATE_REQUEST"}}
INLINE_ERROR = {"type": "error", "request_id": "r1", "final": True, "error": {"code": "TIMEOUT"}}
INLINE_PROGRESS = {"type": "progress", "request_id": "r1", "percentage": 5}
CANCELLING = {"type": "cancelling", "request_id": "r1", "status": "PROCESSING"}
WELCOME: Frame = {"type": "welcome", "connection_id": "c1"}
UNREADABLE = {"type": "error", "final": False, "error": {"code": "STORAGE_ERROR"}}
INBOX_ACK = {"type": "ack", "request_id": "r1"}
SUBSCRIBE = {"type": "subscribe", "job_id": JOB}
UNSUBSCRIBE = {"type": "unsubscribe", "job_id": JOB}
SUBSCRIBED = {"type": "subscribed", "job_id": JOB, "status": "PROCESSING", "attempt": 1, "seq": 0}
UNSUBSCRIBED = {"type": "unsubscribed", "job_id": JOB}
OF_CLIENTS = ("ping", "resume", "subscribe", "unsubscribe", "ack")


def about(kind: str, seq: int, attempt: int = 1, **fields: Any) -> Frame:
    return {"type": kind, "request_id": "r1", "job_id": JOB, "attempt": attempt, "seq": seq, **fields}


def progress(seq: int, percentage: float = 0, attempt: int = 1) -> Frame:
    return about("progress", seq, attempt, percentage=percentage)


def chunk(index: int, seq: int, attempt: int = 1, data: object = None) -> Frame:
    return about("chunk", seq, attempt, index=index, data=f"piece {index}" if data is None else data)


def retrying(seq: int, continues_from: int, attempt: int = 1) -> Frame:
    return about("retrying", seq, attempt, continues_from=continues_from)


def complete(seq: int, attempt: int = 1, result: object = "done", chunks: int = 0) -> Frame:
    return about("complete", seq, attempt, result=result, chunks=chunks)


def inline_chunk(index: int) -> Frame:
    return {"type": "chunk", "request_id": "r1", "index": index, "data": index}


def resume(attempt: int = 0, seq: int = 0, chunks: int = 0) -> Frame:
    entry = {"request_id": "r1", "attempt": attempt, "seq": seq, "chunks": chunks}
    return {"type": "resume", "requests": [entry]}


def resumed(*names: str, recovered: bool = True) -> Frame:
    return {
        "type": "resumed",
        "requests": [{"request_id": name, "job_id": JOB, "recovered": recovered} for name in names],
    }


def watched(*frames: Frame) -> list[Frame]:
    """Frames as a watcher gets them."""
    return [{**frame, "request_id": JOB} for frame in frames]


def error(seq: int, attempt: int = 1) -> Frame:
    return about("error", seq, attempt, final=True, error={"code": "PROCESSING_FAILED"})


def ledger(*frames: Frame, connection: str = "c1", into: Ledger | None = None) -> Ledger:
    """What a client sends has no `seq` and no answer in it; everything else was received."""
    made = into or Ledger()
    for frame in frames:
        (made.sent if frame in (ASK, CANCEL) or frame.get("type") in OF_CLIENTS else made.received)(connection, frame)
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
    "an ack": [INBOX_ACK],
    "an ack that is refused": [INBOX_ACK, REFUSAL],
    "pieces of an inline answer": [WELCOME, ASK, inline_chunk(0), inline_chunk(1), ANSWER],
    "pieces of two inline answers": [WELCOME, ASK, inline_chunk(0), ANSWER, ASK, inline_chunk(0), ANSWER],
    "chunks": [WELCOME, ASK, ACK, chunk(0, 1), progress(2), chunk(1, 3), complete(5, chunks=2)],
    "chunks that a checkpoint kept": [
        *(WELCOME, ASK, ACK, chunk(0, 1), chunk(1, 2), retrying(3, 1)),
        *(chunk(1, 1, 2), chunk(2, 2, 2), complete(3, 2, chunks=3)),
    ],
    "more was kept than had come": [WELCOME, ASK, ACK, retrying(3, 2), chunk(0, 1, 2), complete(2, 2, chunks=1)],
    "a plain client gets none": [ASK, ACK, progress(2), complete(5, chunks=2)],
    "a repeat after the outcome tells everything again": [
        *(WELCOME, ASK, ACK, chunk(0, 1), complete(2, chunks=1)),
        *(ASK, ACK, chunk(0, 1), complete(2, chunks=1)),
    ],
    "a repeat that joins misses nothing": [
        WELCOME,
        ASK,
        ACK,
        chunk(0, 1),
        ASK,
        ACK,
        chunk(1, 2),
        complete(3, chunks=2),
    ],
}
RESUMED = {
    "from where it was": [WELCOME, resume(1, 5, 2), resumed("r1"), progress(6), chunk(2, 7), complete(9, chunks=3)],
    "from nothing": [WELCOME, resume(), resumed("r1"), chunk(0, 1), complete(9, chunks=1)],
    "what had ended": [WELCOME, resume(1, 5, 2), resumed("r1"), complete(9, chunks=2)],
    "what was known to have ended": [WELCOME, resume(1, 5, 2), resumed("r1"), complete(5, chunks=2)],
    "after an attempt that is void": [
        *(WELCOME, resume(1, 5, 3), resumed("r1"), retrying(6, 1), chunk(1, 1, 2), complete(2, 2, chunks=2)),
    ],
    "what is not there": [WELCOME, resume(), resumed()],
    "what is not there, and refused": [WELCOME, resume(), resumed(), REFUSAL],
    "what is refused at once": [WELCOME, resume(), REFUSAL, resumed()],
    "but the resume is refused": [WELCOME, resume(), UNREADABLE],
    "but the first resume is refused": [WELCOME, resume(), UNREADABLE, resume(), resumed("r1"), complete(1)],
    "what runs here already": [WELCOME, ASK, ACK, progress(1), resume(), resumed("r1"), progress(2), complete(3)],
    "what was just submitted here": [WELCOME, ASK, resume(1, 5), ACK, resumed("r1"), progress(2), complete(3)],
    "and submitted again": [WELCOME, resume(1, 5), ASK, resumed("r1"), ACK, progress(6), complete(7)],
    "what has expired in part": [
        *(WELCOME, resume(), resumed("r1", recovered=False), chunk(4, 9), chunk(5, 10), complete(11, chunks=6)),
    ],
    "by a plain client": [resume(1, 5, 2), progress(6), complete(9, chunks=3)],
    "by a plain client, in vain": [resume(1, 5, 2), REFUSAL],
}
WATCHED = {
    "a job": [WELCOME, SUBSCRIBE, SUBSCRIBED, *watched(chunk(0, 1), complete(2, chunks=1))],
    "a job from somewhere on": [
        *(WELCOME, {**SUBSCRIBE, "attempt": 1, "seq": 3, "chunks": 2}, SUBSCRIBED),
        *watched(chunk(2, 4), complete(5, chunks=3)),
    ],
    "some of its events": [
        *(WELCOME, {**SUBSCRIBE, "events": ["progress"]}, SUBSCRIBED, *watched(progress(3), complete(5, chunks=3))),
    ],
    "its chunks, and when they are void": [
        *(WELCOME, {**SUBSCRIBE, "events": ["chunk"]}, SUBSCRIBED),
        *watched(chunk(0, 1), retrying(2, 0), chunk(0, 1, 2), complete(2, 2, chunks=1)),
    ],
    "nothing that there is": [WELCOME, SUBSCRIBE, {**REFUSAL, "request_id": JOB}],
    "a job no more": [WELCOME, SUBSCRIBE, SUBSCRIBED, UNSUBSCRIBE, *watched(progress(1)), UNSUBSCRIBED],
    "a job no more, in vain": [UNSUBSCRIBE, {**REFUSAL, "request_id": JOB}],
    "a job no more, by a plain client": [SUBSCRIBE, *watched(progress(1)), UNSUBSCRIBE],
    "a job no more, and again": [
        *(WELCOME, SUBSCRIBE, UNSUBSCRIBE, SUBSCRIBE, SUBSCRIBED, UNSUBSCRIBED, SUBSCRIBED, *watched(complete(5))),
    ],
    "a job that was asked for here": [WELCOME, ASK, ACK, SUBSCRIBE, SUBSCRIBED, progress(1), complete(2)],
    "a job that had ended, twice": [
        *(WELCOME, SUBSCRIBE, SUBSCRIBED, *watched(complete(5)), SUBSCRIBE, SUBSCRIBED, *watched(complete(5))),
    ],
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
BROKEN_OUTPUT: list[tuple[str, list[Frame]]] = [
    ("chunk 1 of the answer came, and 0 is next", [ASK, inline_chunk(1), ANSWER]),
    ("chunk 0 of the answer came, and 1 is next", [ASK, inline_chunk(0), inline_chunk(0), ANSWER]),
    ("chunk of an inline request that is not running", [ASK, ANSWER, inline_chunk(0)]),
    ("chunk 1 came, and 0 is next", [WELCOME, ASK, ACK, chunk(1, 1), complete(2, chunks=2)]),
    ("chunk 2 came, and 1 is next", [WELCOME, ASK, ACK, chunk(0, 1), chunk(2, 2), complete(3, chunks=3)]),
    ("chunk 0 came, and 1 is next", [WELCOME, ASK, ACK, chunk(0, 1), chunk(0, 2), complete(3, chunks=1)]),
    ("chunk (1, 1) came after (1, 2)", [WELCOME, ASK, ACK, progress(2), chunk(0, 1), complete(3, chunks=1)]),
    ("chunk (1, 4) after the outcome", [WELCOME, ASK, ACK, complete(3), chunk(0, 4)]),
    ("chunk (1, 1) after the outcome, or without", [WELCOME, ASK, chunk(0, 1), ACK, complete(3)]),
    (
        "chunk 1 came, and 0 is next",
        [WELCOME, ASK, ACK, chunk(0, 1), retrying(2, 0), chunk(1, 1, 2), complete(2, 2, chunks=2)],
    ),
    (
        "chunk 0 came, and 1 is next",
        [WELCOME, ASK, ACK, chunk(0, 1), retrying(2, 1), chunk(0, 1, 2), complete(2, 2, chunks=1)],
    ),
    ("complete counts 2 chunks, and there were 1", [WELCOME, ASK, ACK, chunk(0, 1), complete(2, chunks=2)]),
    ("complete counts 0 chunks, and there were 1", [WELCOME, ASK, ACK, chunk(0, 1), complete(2, chunks=0)]),
    (
        "complete counts 1 chunks, and there were 0",
        [WELCOME, ASK, ACK, chunk(0, 1), complete(2, chunks=1), ASK, ACK, complete(2, chunks=1)],
    ),
    ("a plain client got a chunk", [ASK, ACK, chunk(0, 1), complete(2, chunks=1)]),
]
BROKEN_RETURN: list[tuple[str, list[Frame]]] = [
    ("a resume was never answered", [WELCOME, {"type": "resume", "requests": []}]),
    ("no outcome", [WELCOME, resume(), resumed("r1"), progress(1)]),
    ("no outcome", [resume(), progress(1)]),
    ("complete (1, 2) after the outcome", [WELCOME, resume(), resumed("r1"), complete(1), complete(2)]),
    ("resumed, and nobody asked", [WELCOME, resumed()]),
    ("r2: resumed, and nobody asked for it", [WELCOME, resume(), resumed("r1", "r2"), complete(1)]),
    ("progress (1, 1) came before the answer", [WELCOME, resume(), progress(1), resumed("r1"), complete(2)]),
    ("progress (1, 1) after the outcome, or without", [WELCOME, resume(), resumed(), progress(1)]),
    ("progress (1, 2) after the outcome, or without", [WELCOME, resume(), UNREADABLE, progress(2)]),
    ("progress (1, 5) came after (1, 5)", [WELCOME, resume(1, 5), resumed("r1"), progress(5), complete(6)]),
    ("complete (1, 4) came after (1, 5)", [WELCOME, resume(1, 5), resumed("r1"), complete(4)]),
    ("complete (1, 6) came after (1, 6)", [WELCOME, resume(1, 5), resumed("r1"), progress(6), complete(6)]),
    ("complete (1, 5) came after (1, 6)", [WELCOME, resume(1, 5), resumed("r1"), progress(6), complete(5)]),
    ("progress (1, 9) came after (2, 5)", [WELCOME, resume(2, 5), resumed("r1"), progress(9), complete(6, 2)]),
    ("chunk 1 came, and 2 is next", [WELCOME, resume(1, 5, 2), resumed("r1"), chunk(1, 6), complete(7, chunks=2)]),
    ("chunk 3 came, and 2 is next", [WELCOME, resume(1, 5, 2), resumed("r1"), chunk(3, 6), complete(7, chunks=4)]),
    (
        "chunk 2 came, and 3 is next",
        [WELCOME, resume(0, 0, 3), resumed("r1", recovered=False), chunk(2, 9), complete(11, chunks=3)],
    ),
    ("complete counts 3 chunks, and there were 2", [WELCOME, resume(1, 5, 2), resumed("r1"), complete(7, chunks=3)]),
    ("a refusal of nothing", [WELCOME, resume(), resumed(), REFUSAL, REFUSAL]),
]
BROKEN_WATCH: list[tuple[str, list[Frame]]] = [
    ("no outcome", [WELCOME, SUBSCRIBE, SUBSCRIBED, *watched(progress(1))]),
    ("no outcome", [WELCOME, SUBSCRIBE]),
    ("subscribed, and nobody asked", [WELCOME, SUBSCRIBED]),
    ("unsubscribed, and nobody asked", [WELCOME, UNSUBSCRIBED]),
    (
        "progress (1, 1) came before the answer",
        [WELCOME, SUBSCRIBE, *watched(progress(1)), SUBSCRIBED, *watched(complete(2))],
    ),
    (
        "progress (1, 1) after the outcome, or without",
        [WELCOME, SUBSCRIBE, SUBSCRIBED, UNSUBSCRIBE, UNSUBSCRIBED, *watched(progress(1))],
    ),
    (
        "complete (1, 2) after the outcome, or without",
        [WELCOME, SUBSCRIBE, {**REFUSAL, "request_id": JOB}, *watched(complete(2))],
    ),
    ("r1: complete (1, 2) after the outcome, or without", [WELCOME, SUBSCRIBE, SUBSCRIBED, complete(2)]),
    (
        "progress (1, 1) is not among the events that were chosen",
        [WELCOME, {**SUBSCRIBE, "events": ["chunk"]}, SUBSCRIBED, *watched(progress(1), complete(2))],
    ),
    (
        "chunk (1, 1) is not among the events that were chosen",
        [WELCOME, {**SUBSCRIBE, "events": ["progress"]}, SUBSCRIBED, *watched(chunk(0, 1), complete(2, chunks=1))],
    ),
    (
        "complete counts 1 chunks, and there were 0",
        [WELCOME, {**SUBSCRIBE, "events": ["chunk"]}, SUBSCRIBED, *watched(complete(2, chunks=1))],
    ),
]


@pytest.mark.parametrize("frames", GOOD.values(), ids=GOOD.keys())
def test_a_history_that_keeps_the_promises(frames: list[Frame]) -> None:
    assert client_violations(ledger(*frames)) == []


@pytest.mark.parametrize("frames", RESUMED.values(), ids=RESUMED.keys())
def test_somebody_comes_back_for(frames: list[Frame]) -> None:
    assert client_violations(ledger(*frames)) == []


@pytest.mark.parametrize("frames", WATCHED.values(), ids=WATCHED.keys())
def test_somebody_watches(frames: list[Frame]) -> None:
    assert client_violations(ledger(*frames)) == []


@pytest.mark.parametrize("frames", BAD.values(), ids=BAD.keys())
def test_a_history_that_breaks_one(frames: list[Frame]) -> None:
    assert client_violations(ledger(*frames))


@pytest.mark.parametrize(("sentence", "frames"), BROKEN_OUTPUT + BROKEN_RETURN + BROKEN_WATCH)
def test_a_broken_promise_is_named(sentence: str, frames: list[Frame]) -> None:
    assert sentence in "\n".join(client_violations(ledger(*frames)))


def test_nothing_is_owed_to_a_connection_that_was_lost() -> None:
    left = ledger(ASK, ACK, progress(1))
    left.lost("c1")
    assert client_violations(left) == []


def test_a_lost_connection_still_saw_things_in_order() -> None:
    left = ledger(ASK, ACK, progress(2), progress(1))
    left.lost("c1")
    assert client_violations(left) == ["c1: r1: progress (1, 1) came after (1, 2)"]


# --- output ---------------------------------------------------------------------------------------------------

CUT = [WELCOME, ASK, ACK, chunk(0, 1), chunk(1, 2)]
RETURNED = [WELCOME, resume(1, 2, 2), resumed("r1"), chunk(2, 3), complete(4, chunks=3)]


def over(*connections: Sequence[Frame]) -> Ledger:
    """Connections c0, c1, …, one after the other."""
    made = Ledger()
    for number, frames in enumerate(connections):
        ledger(*frames, connection=f"c{number}", into=made)
    return made


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
