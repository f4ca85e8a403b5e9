import pytest

from streamer.cli.table import age, printable, table, utc
from tests.support.jobs import NOON_MS


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    assert table(("A", "LONG"), [("ab", "x"), ("日本", "")]) == "A     LONG\nab    x\n日本"


def test_nothing_that_a_terminal_obeys_is_printed() -> None:
    assert printable("a\x1b[2J\nb\u202e") == "a\ufffd[2J\ufffdb\ufffd"
    assert "\x1b" not in table(("A",), [("\x1b[2J",)])


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 s ago"),
        (-59_999, "59 s ago"),
        (-60_000, "1 min ago"),
        (-7_199_999, "1 h ago"),
        (-172_800_000, "2 d ago"),
        (90_000, "in 1 min"),
    ],
)
def test_an_age_has_the_greatest_unit_that_fits(ms: int, text: str) -> None:
    assert age(NOON_MS + ms, NOON_MS) == text


def test_times_are_in_utc() -> None:
    assert utc(1_700_000_000_123) == "2023-11-14T22:13:20.123Z"
