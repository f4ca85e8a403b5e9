import pytest

from app.rest import wishes
from app.rest.wishes import Wishes


@pytest.mark.parametrize(
    ("prefer", "wished"),
    [
        ([], Wishes()),
        (["respond-async"], Wishes(respond_async=True)),
        (["Respond-Async, WAIT=10"], Wishes(respond_async=True, wait_s=10)),
        (["wait=10", "respond-async"], Wishes(respond_async=True, wait_s=10)),
        (["wait=10, wait=20"], Wishes(wait_s=10)),
        (['wait="10"; foo=bar'], Wishes(wait_s=10)),
        (["wait=61"], Wishes(wait_s=60)),
        (["wait=99999999999999999999"], Wishes()),
        (["wait=soon, return=minimal, ,"], Wishes()),
        (["wait=-1"], Wishes()),
        (["wait=²"], Wishes()),
        (["wait"], Wishes()),
    ],
)
def test_preferences_are_read(prefer: list[str], wished: Wishes) -> None:
    assert wishes.read(prefer) == wished


def test_what_was_done_is_said() -> None:
    both = Wishes(respond_async=True, wait_s=10)
    assert both.applied(is_queued=True, is_pending=True) == {"preference-applied": "respond-async, wait=10"}
    assert both.applied(is_queued=True, is_pending=False) == {"preference-applied": "wait=10"}
    assert both.applied(is_queued=False, is_pending=False) == {}
