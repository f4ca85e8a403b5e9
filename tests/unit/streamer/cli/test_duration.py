from datetime import timedelta

import pytest
import typer

from streamer.cli.duration import duration


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("1h", 3600), ("7d", 604_800)])
def test_a_duration_has_a_unit_or_is_in_seconds(text: str, seconds: int) -> None:
    assert duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "1w", "-1", "1.5h", "h"])
def test_another_duration_is_a_usage_error(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="not a duration"):
        duration(text)
