import pytest

from tests.support.client_invariants import client_violations
from tests.unit.tests_support.histories import (
    ACK,
    ANSWER,
    ASK,
    CANCEL,
    CANCELLING,
    INBOX_ACK,
    INLINE_ERROR,
    INLINE_PROGRESS,
    JOB,
    REFUSAL,
    SUBSCRIBE,
    SUBSCRIBED,
    UNREADABLE,
    UNSUBSCRIBE,
    UNSUBSCRIBED,
    WELCOME,
    Frame,
    about,
    chunk,
    complete,
    error,
    inline_chunk,
    ledger,
    progress,
    resume,
    resumed,
    retrying,
    watched,
)

RESUME_OF_ANOTHER = {"type": "resume", "requests": [{"request_id": "r2"}]}

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
    "a cancel that is refused, and submits that are not": [ASK, CANCEL, REFUSAL, ASK, ACK, ACK, complete(1)],
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
    "but another resume, sent later, is refused": [
        *(WELCOME, resume(), RESUME_OF_ANOTHER, UNREADABLE, resumed("r1"), complete(1)),
    ],
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
