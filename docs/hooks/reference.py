"""Tables of the reference that are made from the code and the README, so that they are never behind it."""

import re
from collections.abc import Callable, Iterator, Mapping
from inspect import getdoc
from pathlib import Path
from typing import Any, Final

from prometheus_client import Gauge

from streamer import errors
from streamer.protocol.codes import Close, may_reconnect
from streamer.telemetry.metrics import METRICS, Metric

README: Final = Path(__file__).parents[2] / "README.md"
_PLACE: Final = re.compile(r"^<!-- table: (\w+) -->$", re.MULTILINE)


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Puts each table in its place, a line `<!-- table: NAME -->`. Raises KeyError for a name that is unknown."""
    return _PLACE.sub(lambda found: TABLES[found[1]](), markdown)


def settings() -> str:
    """The README's; a test holds it against `streamer/settings.py`."""
    table = README.read_text().partition("\n## Settings\n")[2].partition("\n| variable |")[2].partition("\n\n")[0]
    return f"| variable |{table}".replace("](docs/", "](")


def metrics() -> str:
    rows = map(_metric_row, METRICS)
    return "\n".join(("| metric | kind | labels | for CloudWatch | |", "|---|---|---|---|---|", *rows))


def error_codes() -> str:
    found = {error.code: error for error in reversed([*_subclasses(errors.StreamerError)]) if "code" in vars(error)}
    rows = (
        f"| `{code}` | {error.default} | {'yes' if error.retryable else 'no'} | {_first_line(error)} |"
        for code, error in sorted(found.items())
    )
    return "\n".join(("| code | message, unless it says more | retryable | |", "|---|---|---|---|", *rows))


def close_codes() -> str:
    rows = (
        f"| {close.value} | {close.name.lower().replace('_', ' ')} | {'yes' if may_reconnect(close) else 'no'} |"
        for close in Close
    )
    return "\n".join(("| code | why | reconnect |", "|---|---|---|", *rows))


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "settings": settings,
    "metrics": metrics,
    "error_codes": error_codes,
    "close_codes": close_codes,
}


def _metric_row(metric: Metric) -> str:
    cells = (f"`{_exposed(metric)}`", _kind(metric), _code(*metric.labels), _code(*metric.dimensions), metric.help)
    return f"| {' | '.join(cells)} |"


def _exposed(metric: Metric) -> str:
    """As `/metrics` has it."""
    return f"streamer_{metric.name}" + ("_total" if _kind(metric) == "counter" else "")


def _kind(metric: Metric) -> str:
    return "gauge" if metric.kind is Gauge else metric.kind.__name__.lower()


def _code(*names: str) -> str:
    return " ".join(f"`{name}`" for name in names)


def _first_line(error: type) -> str:
    return (getdoc(error) or "").partition("\n\n")[0].replace("\n", " ")


def _subclasses(error: type[errors.StreamerError]) -> Iterator[type[errors.StreamerError]]:
    for each in error.__subclasses__():
        yield each
        yield from _subclasses(each)
