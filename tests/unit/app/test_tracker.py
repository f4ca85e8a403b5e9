from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

from app.tracker import MAX_HELD, Frame, Kind, Tracker
from streamer.jobs.model import Job, Kept, Status
from streamer.protocol.messages import Seen
from tests.unit.app import parts


def frame(kind: Kind, attempt: int, seq: int, percentage: float | None = None) -> Frame:
    return Frame(kind, attempt, seq, b"", percentage)


def progress(attempt: int, seq: int, percentage: float = 50.0) -> Frame:
    return frame("progress", attempt, seq, percentage)


def chunk(attempt: int, seq: int, index: int, body: bytes = b"") -> Frame:
    return Frame("chunk", attempt, seq, body, chunks=index)


def indexes(given: Iterable[Frame]) -> list[int]:
    return [each.chunks for each in given if each.kind == "chunk"]


def positions(given: Iterable[Frame]) -> list[tuple[str, int, int]]:
    return [(each.kind, each.attempt, each.seq) for each in given]


def job(**changes: Any) -> Job:
    return replace(parts.job(), **changes)


def acknowledged(*, speaks_v1: bool = True) -> Tracker:
    tracker = Tracker("j", "r", speaks_v1=speaks_v1)
    tracker.expect()
    assert not list(tracker.acknowledged())
    return tracker


def taken(tracker: Tracker, *frames: Frame) -> list[tuple[str, int, int]]:
    return [position for each in frames for position in positions(tracker.take(each))]


def test_only_what_comes_after_is_said() -> None:
    tracker = acknowledged()
    assert taken(tracker, progress(1, 2), progress(1, 2), progress(1, 1), progress(2, 1), progress(1, 9)) == [
        ("progress", 1, 2),
        ("progress", 2, 1),
    ]


def test_the_first_outcome_is_taken_whatever_its_number_and_nothing_after_it() -> None:
    tracker = acknowledged()
    assert taken(tracker, progress(2, 5), frame("outcome", 1, 1), frame("outcome", 2, 9), progress(3, 1)) == [
        ("progress", 2, 5),
        ("outcome", 1, 1),
    ]
    assert not tracker.is_wanted


def test_percentages_never_fall() -> None:
    tracker = acknowledged()
    assert taken(tracker, progress(1, 1, 60), progress(1, 2, 40), progress(1, 3, 60)) == [
        ("progress", 1, 1),
        ("progress", 1, 3),
    ]


@pytest.mark.parametrize(("speaks_v1", "said"), [(True, ["retrying", "progress"]), (False, [])])
def test_retrying_starts_anew_for_those_who_are_told(speaks_v1: bool, said: list[str]) -> None:
    tracker = acknowledged(speaks_v1=speaks_v1)
    taken(tracker, progress(1, 1, 60))
    assert [each[0] for each in taken(tracker, frame("retrying", 1, 2), progress(2, 1, 10))] == said


def test_the_newest_is_held_until_the_acknowledgment() -> None:
    tracker = Tracker("j", "r", speaks_v1=True)
    tracker.expect()
    for each in (
        progress(1, 1),
        frame("retrying", 1, 2),
        progress(2, 2, 20),
        progress(2, 1, 10),
        frame("outcome", 2, 4),
        frame("outcome", 2, 5),
        progress(2, 3, 30),
    ):
        assert not taken(tracker, each)
    assert positions(tracker.acknowledged()) == [("retrying", 1, 2), ("progress", 2, 3), ("outcome", 2, 4)]


def test_retrying_voids_the_held_progress_before_it_only() -> None:
    tracker = Tracker("j", "r", speaks_v1=True)
    tracker.expect()
    for each in (progress(2, 1), frame("retrying", 1, 9)):
        taken(tracker, each)
    assert positions(tracker.acknowledged()) == [("retrying", 1, 9), ("progress", 2, 1)]


def test_every_acknowledgment_comes_before_the_outcome() -> None:
    tracker = acknowledged()
    tracker.expect()
    tracker.expect()
    assert not taken(tracker, frame("outcome", 1, 1))
    assert not list(tracker.acknowledged())
    assert positions(tracker.refused()) == [("outcome", 1, 1)]


def test_no_log_is_read_for_a_gap_before_the_acknowledgment() -> None:
    """A job that runs is submitted again: what the log gave would overtake the acknowledgment."""
    tracker = Tracker("j", "r", speaks_v1=True)
    tracker.expect()
    assert not taken(tracker, chunk(1, 6, 5))
    assert not tracker.filling
    assert not list(tracker.acknowledged())
    assert tracker.filling


def test_a_refused_submit_wants_nothing() -> None:
    tracker = Tracker("j", "r", speaks_v1=True)
    tracker.expect()
    taken(tracker, progress(1, 1))
    assert tracker.is_wanted
    assert not list(tracker.refused())
    assert not tracker.is_wanted


# --- chunks -------------------------------------------------------------------------------------------------


def test_chunks_go_out_by_their_index() -> None:
    tracker = acknowledged()
    assert taken(tracker, chunk(1, 1, 0), chunk(1, 1, 0), chunk(1, 3, 1)) == [("chunk", 1, 1), ("chunk", 1, 3)]
    assert (tracker.chunks, tracker.filling) == (2, False)


def test_a_gap_holds_everything_until_the_log_was_read() -> None:
    tracker = acknowledged()
    taken(tracker, chunk(1, 1, 0))
    assert not taken(tracker, chunk(1, 3, 2), progress(1, 4), chunk(1, 5, 3))
    assert tracker.filling
    assert positions(tracker.fill(chunk(1, 2, 1))) == [("chunk", 1, 2)]
    assert positions(tracker.end_filling()) == [("chunk", 1, 3), ("progress", 1, 4), ("chunk", 1, 5)]
    assert not tracker.filling


def test_progress_that_knows_of_a_missing_chunk_waits_for_it() -> None:
    tracker = acknowledged()
    late = Frame("progress", 1, 9, b"", 50.0, chunks=1)
    assert not taken(tracker, late)
    assert positions(tracker.fill(chunk(1, 4, 0))) == [("chunk", 1, 4)]
    assert positions(tracker.end_filling()) == [("progress", 1, 9)]


def test_an_outcome_waits_for_the_last_chunk() -> None:
    tracker = acknowledged()
    assert not taken(tracker, Frame("outcome", 1, 9, b"", chunks=2), chunk(1, 4, 1))
    assert positions(tracker.end_filling()) == []
    assert tracker.filling
    assert indexes(tracker.fill(chunk(1, 3, 0))) == [0]
    assert positions(tracker.end_filling()) == [("chunk", 1, 4), ("outcome", 1, 9)]


def test_what_is_held_and_comes_before_a_chunk_of_the_log_goes_first() -> None:
    tracker = acknowledged()
    tracker.begin_filling()
    taken(tracker, progress(1, 5, 40))
    assert positions(tracker.fill(chunk(1, 4, 0))) == [("chunk", 1, 4)]
    assert positions(tracker.fill(chunk(1, 6, 1))) == [("progress", 1, 5), ("chunk", 1, 6)]


def test_the_newest_run_of_chunks_is_held_and_no_more_than_fit() -> None:
    tracker = acknowledged()
    tracker.begin_filling()
    taken(tracker, chunk(1, 1, 0), chunk(1, 5, 4))
    taken(tracker, *(chunk(1, 6 + index, 5 + index) for index in range(MAX_HELD)))
    for index in range(5):
        assert indexes(tracker.fill(chunk(1, 1 + index, index))) == [index]
    assert indexes(tracker.end_filling()) == list(range(5, 5 + MAX_HELD))


def test_a_run_of_big_chunks_is_short() -> None:
    tracker = acknowledged()
    tracker.begin_filling()
    taken(tracker, *(chunk(1, 1 + index, index, b"x" * 100_000) for index in range(4)))
    assert indexes(tracker.fill(chunk(1, 1, 0))) == [0]
    assert indexes(tracker.fill(chunk(1, 2, 1))) == [1]
    assert indexes(tracker.end_filling()) == [2, 3]


def test_retrying_voids_what_comes_after_it_and_the_next_attempt_goes_on_from_there() -> None:
    tracker = acknowledged()
    taken(tracker, chunk(1, 1, 0), chunk(1, 2, 1), chunk(1, 3, 2))
    assert taken(tracker, Frame("retrying", 1, 9, b"", chunks=1)) == [("retrying", 1, 9)]
    assert taken(tracker, chunk(1, 4, 3), chunk(2, 1, 1)) == [("chunk", 2, 1)]
    assert tracker.chunks == 2


def test_a_chunk_of_an_attempt_that_was_not_announced_needs_the_row() -> None:
    tracker = acknowledged()
    taken(tracker, chunk(1, 1, 0), chunk(1, 2, 1))
    assert not taken(tracker, chunk(2, 1, 2))
    assert tracker.filling


def test_a_job_without_output_needs_no_row_for_another_attempt() -> None:
    tracker = acknowledged()
    taken(tracker, progress(1, 1))
    assert taken(tracker, progress(2, 1), frame("outcome", 2, 3)) == [("progress", 2, 1), ("outcome", 2, 3)]


def test_a_plain_client_gets_no_chunks_and_waits_for_none() -> None:
    tracker = acknowledged(speaks_v1=False)
    assert taken(tracker, chunk(1, 1, 0), Frame("outcome", 1, 9, b"", chunks=7)) == [("outcome", 1, 9)]


def test_a_client_that_comes_back_has_what_it_says() -> None:
    tracker = Tracker("j", "r", speaks_v1=True)
    tracker.resumed(Seen("r", 1, 7, 3))
    assert not taken(tracker, chunk(1, 8, 3), progress(1, 7))
    assert positions(tracker.end_filling()) == [("chunk", 1, 8)]
    assert tracker.is_wanted


def test_a_watcher_gets_what_it_asked_for_and_the_outcome() -> None:
    tracker = Tracker("j", "j", speaks_v1=True, wants=frozenset({"progress"}), is_watcher=True)
    tracker.resumed(Seen("j"))
    list(tracker.end_filling())
    given = taken(
        tracker, chunk(1, 1, 0), progress(1, 2), frame("retrying", 1, 3), Frame("outcome", 2, 9, b"", None, 4)
    )
    assert [each[0] for each in given] == ["progress", "outcome"]


def test_a_watcher_of_chunks_is_told_when_they_are_void() -> None:
    tracker = Tracker("j", "j", speaks_v1=True, wants=frozenset({"chunk"}), is_watcher=True)
    tracker.resumed(Seen("j"))
    list(tracker.end_filling())
    given = taken(tracker, progress(1, 1), chunk(1, 2, 0), frame("retrying", 1, 3))
    assert [each[0] for each in given] == ["chunk", "retrying"]


def test_chunks_that_have_expired_are_skipped() -> None:
    tracker = acknowledged()
    taken(tracker, chunk(1, 9, 8))
    assert indexes(tracker.fill(chunk(1, 7, 6))) == [6]
    tracker.skip_to(8)
    assert indexes(tracker.end_filling()) == [8]


def test_a_watcher_that_asks_for_the_job_itself_gets_everything_under_its_own_id() -> None:
    tracker = Tracker("j", "j", speaks_v1=True, wants=frozenset({"complete"}), is_watcher=True)
    tracker.resumed(Seen("j"))
    list(tracker.end_filling())
    assert not taken(tracker, progress(1, 1), chunk(1, 2, 0))
    tracker.belongs("r")
    assert (tracker.request_id, tracker.is_watcher) == ("r", False)
    assert taken(tracker, chunk(1, 2, 0)) == [("chunk", 1, 2)]


def resumed(attempt: int, seq: int, chunks: int) -> Tracker:
    tracker = Tracker("j", "r", speaks_v1=True)
    tracker.resumed(Seen("r", attempt, seq, chunks))
    return tracker


def test_a_chunk_that_comes_twice_while_it_waits_is_held_once() -> None:
    tracker = resumed(1, 1, 0)
    assert not taken(tracker, chunk(1, 4, 2), chunk(1, 5, 3), chunk(1, 5, 3), chunk(1, 4, 2))
    for index in (0, 1):
        list(tracker.fill(chunk(1, 2 + index, index)))
    assert indexes(tracker.end_filling()) == [2, 3]


def test_a_chunk_that_the_log_gives_twice_is_sent_once() -> None:
    """An item of the log holds several; it is read from its beginning."""
    tracker = resumed(1, 3, 2)
    sent = [index for number in range(4) for index in indexes(tracker.fill(chunk(1, 2 + number, number)))]
    assert sent == [2, 3]


def test_what_the_row_says_is_void_is_told_in_the_words_that_came_for_it() -> None:
    """Once, and under the number that the worker gave it: the row does not know that."""
    tracker = resumed(1, 3, 2)
    said = Frame("retrying", 1, 9, b"the worker's", chunks=1)
    assert not taken(tracker, said)
    row = job(status=Status.RETRYING, attempt=1, seq=8, kept=(Kept(1, 1),))
    assert tracker.void_from(row) == 1
    made = Frame("retrying", *tracker.next_position(row), b"made of the row", chunks=1)
    assert list(tracker.voided(made)) == [said]
    assert tracker.chunks == 1
    assert not list(tracker.end_filling())


@pytest.mark.parametrize("other", [Frame("retrying", 2, 9, b"", chunks=1), Frame("retrying", 1, 9, b"", chunks=0)])
def test_what_is_held_of_another_end_is_not_said_in_its_place(other: Frame) -> None:
    tracker = resumed(1, 3, 2)
    assert not taken(tracker, other)
    made = Frame("retrying", 1, 4, b"made of the row", chunks=1)
    assert list(tracker.voided(made)) == [made]


def test_progress_that_was_held_of_an_attempt_that_is_over_is_not_told() -> None:
    tracker = resumed(1, 1, 1)
    assert not taken(tracker, progress(1, 2))
    assert positions(tracker.voided(Frame("retrying", 1, 5, b"", chunks=0))) == [("retrying", 1, 5)]
    assert positions(tracker.fill(chunk(2, 1, 0))) == [("chunk", 2, 1)]
    assert not list(tracker.end_filling())


def test_what_was_filled_still_waits_for_an_acknowledgment_that_is_owed() -> None:
    """It came back for the request, and sent it again as well."""
    tracker = resumed(1, 1, 0)
    tracker.expect()
    assert not taken(tracker, progress(1, 2), chunk(1, 3, 0))
    assert not list(tracker.end_filling())
    assert positions(tracker.acknowledged()) == [("progress", 1, 2), ("chunk", 1, 3)]


def test_where_a_retrying_stands_that_nobody_has_sent() -> None:
    """After what was sent, and after what the row knows of that attempt; before the next one in any case."""
    tracker = resumed(1, 7, 1)
    assert tracker.next_position(job(status=Status.RETRYING, attempt=1, seq=5)) == (1, 8)
    assert tracker.next_position(job(status=Status.RETRYING, attempt=1, seq=30)) == (1, 30)
    assert tracker.next_position(job(status=Status.PROCESSING, attempt=3, seq=30)) == (1, 8)
    # whoever saw the end of the attempt and no more must not be taken for one who saw the outcome
    assert tracker.next_position(job(status=Status.FAILED, attempt=1, seq=30)) == (1, 29)
