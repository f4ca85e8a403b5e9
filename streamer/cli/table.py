"""Lines for people: columns that nothing is cut off from, times in UTC and as ages."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.cells import cell_len

_GAP: Final = "  "
_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as what is in them, on a terminal and in a pipe alike."""
    lines = [header, *([printable(cell) for cell in row] for row in rows)]
    widths = [max(map(cell_len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(_GAP.join(map(_padded, line, widths)).rstrip() for line in lines)


def printable(text: str) -> str:
    """The text in one line, without what a terminal would obey: ids and messages are made by clients and handlers."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def utc(time_ms: int) -> str:
    """ISO 8601, in UTC, to the millisecond."""
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def age(time_ms: int, now_ms: int) -> str:
    """`3 min ago`, `in 2 h`; in the greatest unit that fits, rounded down."""
    seconds = abs(now_ms - time_ms) // 1000
    size, unit = next((each for each in _UNITS if seconds >= each[0]), _UNITS[-1])
    return f"in {seconds // size} {unit}" if time_ms > now_ms else f"{seconds // size} {unit} ago"


def _padded(cell: str, width: int) -> str:
    return cell + " " * (width - cell_len(cell))
