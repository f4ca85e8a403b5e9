"""The log lines of child processes, as a person at a terminal likes them."""

import os
from collections.abc import Callable, Mapping
from typing import Any, Final

import orjson
import typer
from structlog.dev import ConsoleRenderer

COLOURS: Final = {"app": typer.colors.CYAN, "worker": typer.colors.MAGENTA}


def show_raw(_name: str, line: bytes) -> None:
    """The line as it is, for programs that read it."""
    typer.echo(line)


class Viewer:
    """Shows lines with a coloured prefix; JSON log lines become human ones, all others stay as they are."""

    def __init__(self, echo: Callable[[str], None] = typer.echo) -> None:
        self._echo = echo
        self._coloured = "NO_COLOR" not in os.environ  # https://no-color.org
        self._render = ConsoleRenderer(colors=self._coloured)

    def __call__(self, name: str, line: bytes) -> None:
        prefix = f"{name:<6} │ "
        if self._coloured:
            prefix = typer.style(prefix, fg=COLOURS.get(name))
        self._echo(prefix + self._human(line))

    def _human(self, line: bytes) -> str:
        event = log_event(line)
        return line.decode(errors="replace") if event is None else str(self._render(None, "", dict(event)))


def log_event(line: bytes) -> Mapping[str, Any] | None:
    """The line as a log event, None if it is not one."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event, dict) and "event" in event else None
