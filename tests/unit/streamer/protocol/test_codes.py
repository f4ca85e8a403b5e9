import pytest

from streamer.protocol.codes import Close, may_reconnect

STAY_AWAY = {1000, 1002, 1003, 1007, 1008, 1009, 4500, 4503, 4504}


@pytest.mark.parametrize("code", Close)
def test_who_may_come_back(code: Close) -> None:
    assert may_reconnect(code) is (code not in STAY_AWAY)


@pytest.mark.parametrize(
    ("code", "back"), [(1001, True), (1006, True), (4000, True), (4499, True), (4501, False), (4999, False)]
)
def test_codes_that_we_do_not_send(code: int, back: bool) -> None:
    assert may_reconnect(code) is back
