import pytest

from streamer.jobs.model import ALIVE, TERMINAL, WAITING, Kept, Status
from tests.support.jobs import row, row_in


def test_every_status_is_either_alive_or_terminal() -> None:
    assert set(Status) == ALIVE | TERMINAL
    assert not ALIVE & TERMINAL
    assert {Status.PROCESSING} == ALIVE - WAITING


@pytest.mark.parametrize("status", Status)
def test_finished_is_terminal(status: Status) -> None:
    assert row_in(status).status is status
    assert row_in(status).finished is (status in TERMINAL)


@pytest.mark.parametrize(("retry_count", "left"), [(0, True), (1, True), (2, False), (3, False)])
def test_retries_left(retry_count: int, left: bool) -> None:
    assert row(max_retries=2, retry_count=retry_count).retries_left is left


@pytest.mark.parametrize(("kept", "chunks"), [((), 0), ((Kept(1, 50),), 50), ((Kept(1, 50), Kept(3, 60)), 60)])
def test_the_next_attempt_continues_what_was_kept_last(kept: tuple[Kept, ...], chunks: int) -> None:
    assert row(kept=kept).kept_chunks == chunks
