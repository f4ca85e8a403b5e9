"""What changes of rows ask for."""

from dataclasses import replace

from streamer.jobs import dispatch, lifecycle
from streamer.jobs.model import Job, Status
from streamer.store.feed import Change
from tests.support import jobs
from tests.support.jobs import NOON_MS, OOPS
from workers import changes

WAITS = jobs.row(max_retries=1)
RUNS = jobs.row_in(Status.PROCESSING)
RETRIES = jobs.row_in(Status.RETRYING)
DONE = jobs.row_in(Status.COMPLETED)


def change(before: Job | None, after: Job | None) -> Change:
    return Change("1", before, after)


def test_a_submit_asks_for_a_start() -> None:
    assert changes.waiting(change(None, WAITS)) == WAITS


def test_what_goes_back_asks_for_a_start() -> None:
    released = lifecycle.applied(lifecycle.release(RUNS), RUNS)
    assert changes.waiting(change(RUNS, released)) == released
    assert changes.waiting(change(RUNS, RETRIES)) == RETRIES


def test_a_new_place_in_the_queue_asks_for_a_start() -> None:
    delayed = replace(WAITS, due_ms=NOON_MS, entry=dispatch.timer(WAITS, NOON_MS))
    assert changes.waiting(change(delayed, WAITS)) == WAITS


def test_another_listener_asks_for_nothing() -> None:
    assert changes.waiting(change(WAITS, replace(WAITS, routes=frozenset({"c"})))) is None


def test_what_runs_ended_or_vanished_asks_for_no_start() -> None:
    assert [changes.waiting(change(WAITS, after)) for after in (RUNS, DONE, None)] == [None, None, None]
    assert changes.waiting(change(None, replace(WAITS, entry=None))) is None


def test_an_outcome_comes_with_the_session_that_ran_it() -> None:
    assert changes.ended(change(RUNS, DONE)) == ("session-a", DONE)


def test_what_nobody_ran_has_nobody_who_might_not_have_told_it() -> None:
    cancelled = jobs.row_in(Status.CANCELLED)
    assert changes.ended(change(WAITS, cancelled)) is None
    assert changes.ended(change(None, DONE)) is None
    assert changes.ended(change(DONE, replace(DONE, routes=frozenset()))) is None


def test_what_goes_on_or_vanished_has_no_outcome() -> None:
    assert [changes.ended(change(RUNS, after)) for after in (RUNS, RETRIES, None)] == [None, None, None]


def test_of_a_page_only_what_still_waits_is_started() -> None:
    other = replace(WAITS, job_id="other")
    page = [change(None, WAITS), change(None, other), change(WAITS, RUNS)]
    assert changes.still_waiting(page) == [other]
    assert changes.still_waiting([*page, change(RUNS, RETRIES)]) == [other, RETRIES]


def test_a_listener_that_joins_what_waits_changes_nothing() -> None:
    joined = replace(WAITS, routes=frozenset({"c"}))
    assert changes.still_waiting([change(None, WAITS), change(WAITS, joined)]) == [WAITS]


def test_what_vanished_is_not_started() -> None:
    assert changes.still_waiting([change(None, WAITS), change(WAITS, None), change(None, None)]) == []


def test_the_time_of_a_submit_and_of_an_outcome_is_known() -> None:
    failed = lifecycle.applied(lifecycle.fail(RUNS, OOPS, 1, NOON_MS + 5, 1), RUNS)
    assert changes.written_ms(change(None, WAITS)) == NOON_MS
    assert changes.written_ms(change(RUNS, failed)) == NOON_MS + 5


def test_of_other_changes_the_time_is_not_known() -> None:
    redriven = replace(DONE, redriven_as="x")
    assert [changes.written_ms(change(RUNS, RUNS)), changes.written_ms(change(DONE, redriven))] == [None, None]
    assert changes.written_ms(change(DONE, None)) is None
