"""Durations as they are typed."""

import re
from datetime import timedelta
from typing import Final

import typer


def duration(text: str) -> timedelta:
    """`90s`, `15m`, `1h`, `7d` or plain seconds. typer.BadParameter for anything else."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise typer.BadParameter(f"{text} is not a duration such as 90s, 15m, 1h or 7d.")
    return timedelta(**{_UNITS[match["unit"]]: int(match["number"])})


_DURATION: Final = re.compile(r"(?P<number>[0-9]{1,9})(?P<unit>[smhd]?)")
_UNITS: Final = {"": "seconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
