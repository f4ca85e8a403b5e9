"""Errors for people: one sentence on stderr and an exit code, never a traceback."""

import json
from typing import Any, Final

import typer
from typer.core import TyperGroup

from streamer.errors import ConfigurationError, StoreUnavailable

OK: Final = 0
FAILED: Final = 1
USAGE: Final = 2
NO_CONNECTION: Final = 3
INTERRUPTED: Final = 130
"""What shells expect of a program that Ctrl-C ended."""

EXIT_CODES: Final = {
    OK: "done",
    FAILED: "the request failed, or the answer is no: nothing found, something wrong, a change that breaks clients",
    USAGE: "the command or a setting is not understood",
    NO_CONNECTION: "no node answers or lets one in, or the store does not answer or lacks its tables",
    INTERRUPTED: "Ctrl-C",
}
"""Of every command."""


class Sentences(TyperGroup):
    """A group of commands whose known errors end the program with a sentence."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except Exception as error:
            if not is_known(error):
                raise
            typer.echo(sentence(error), err=True)
            raise typer.Exit(exit_code(error)) from error


def is_known(error: Exception) -> bool:
    """A client's error is told by its module: importing the client would take longer than most commands."""
    return isinstance(error, ConfigurationError | StoreUnavailable) or type(error).__module__ == _CLIENT_ERRORS


_CLIENT_ERRORS: Final = "streamer.client.errors"


def sentence(error: Exception) -> str:
    """What a person reads. A failed request also shows its details, as JSON."""
    details = getattr(error, "details", None)
    return f"{error} {json.dumps(details, ensure_ascii=False, separators=(',', ':'))}" if details else str(error)


def exit_code(error: Exception) -> int:
    if isinstance(error, ConfigurationError):
        return USAGE
    if isinstance(error, StoreUnavailable):
        return NO_CONNECTION
    from streamer.client.errors import RequestFailed  # noqa: PLC0415  # it was imported by whoever raised this

    return FAILED if isinstance(error, RequestFailed) else NO_CONNECTION
