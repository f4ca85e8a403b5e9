from collections.abc import Iterable

import pytest

from app.tracker import Frame, Kind, Tracker


def frame(kind: Kind, attempt: int, seq: int, percentage: float | None = None) -> Frame:
    return Frame(kind, attempt, seq, b"", percentage)


def progress(attempt: int, seq: int, percentage: float = 50.0) -> Frame:
    return frame("progress", attempt, seq, percentage)


def positions(given: Iterable[Frame]) -> list[tuple[str, int, int]]:
    return [(each.kind, each.attempt, each.seq) for each in given]


def acknowledged(*, tells_retries: bool = True) -> Tracker:
    tracker = Tracker("j", "r", tells_retries=tells_retries)
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


@pytest.mark.parametrize(("tells_retries", "said"), [(True, ["retrying", "progress"]), (False, [])])
def test_retrying_starts_anew_for_those_who_are_told(tells_retries: bool, said: list[str]) -> None:
    tracker = acknowledged(tells_retries=tells_retries)
    taken(tracker, progress(1, 1, 60))
    assert [each[0] for each in taken(tracker, frame("retrying", 1, 2), progress(2, 1, 10))] == said


def test_the_newest_is_held_until_the_acknowledgment() -> None:
    tracker = Tracker("j", "r", tells_retries=True)
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
    tracker = Tracker("j", "r", tells_retries=True)
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


def test_a_refused_submit_wants_nothing() -> None:
    tracker = Tracker("j", "r", tells_retries=True)
    tracker.expect()
    taken(tracker, progress(1, 1))
    assert tracker.is_wanted
    assert not list(tracker.refused())
    assert not tracker.is_wanted
