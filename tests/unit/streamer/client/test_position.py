import pytest

from streamer.client.events import Acknowledged, Chunk, Event, Problem, ProgressEvent, Retrying
from streamer.client.position import Position


def progress(attempt: int, seq: int) -> Event:
    return ProgressEvent(request_id="r", job_id="j", attempt=attempt, seq=seq, percentage=1)


def chunk(attempt: int, seq: int, index: int) -> Event:
    return Chunk(request_id="r", job_id="j", attempt=attempt, seq=seq, index=index, data=None)


def retrying(attempt: int, seq: int, continues_from: int) -> Event:
    problem = Problem("TIMEOUT")
    return Retrying(request_id="r", job_id="j", attempt=attempt, seq=seq, error=problem, continues_from=continues_from)


def after(*events: Event) -> Position:
    position = Position()
    for event in events:
        assert position.admit(event)
    return position


def test_a_client_that_has_seen_nothing_says_so() -> None:
    assert Position().fields() == {"attempt": 0, "seq": 0, "chunks": 0}


def test_it_is_where_the_newest_frame_was() -> None:
    position = after(progress(1, 1), chunk(1, 2, 0), chunk(1, 3, 1), progress(1, 7))
    assert position.fields() == {"attempt": 1, "seq": 7, "chunks": 2}


@pytest.mark.parametrize("repeat", [progress(1, 7), progress(1, 6), chunk(1, 2, 0), chunk(2, 9, 1)])
def test_a_repeat_is_no_news_and_changes_nothing(repeat: Event) -> None:
    position = after(chunk(1, 2, 0), chunk(1, 3, 1), progress(1, 7))
    assert not position.admit(repeat)
    assert position.fields() == {"attempt": 1, "seq": 7, "chunks": 2}


def test_a_chunk_of_the_log_comes_late_and_is_news_by_its_index() -> None:
    position = after(chunk(1, 2, 0), progress(2, 7), chunk(1, 3, 1))
    assert position.fields() == {"attempt": 2, "seq": 7, "chunks": 2}


def test_a_new_attempt_takes_chunks_back_once() -> None:
    over = retrying(1, 5, continues_from=1)
    position = after(chunk(1, 2, 0), chunk(1, 3, 1), chunk(1, 4, 2), over, chunk(2, 1, 1))
    assert position.fields() == {"attempt": 2, "seq": 1, "chunks": 2}
    assert not position.admit(over)


def test_a_new_attempt_does_not_add_chunks() -> None:
    assert after(chunk(1, 2, 0), retrying(1, 5, continues_from=9)).chunks == 1


def test_chunks_that_have_expired_are_skipped() -> None:
    assert after(chunk(1, 40, 39)).chunks == 40


def test_what_has_no_number_is_always_news() -> None:
    inline = ProgressEvent(request_id="r", percentage=1)
    acknowledged = Acknowledged(request_id="r", job_id="j", state="PENDING")
    assert after(progress(1, 7), inline, inline, acknowledged).fields() == {"attempt": 1, "seq": 7, "chunks": 0}
