"""Errors for people: one sentence on stderr and an exit code, never a traceback."""

from typing import Any, Final

import orjson
import typer
from typer.core import TyperGroup

from streamer.client.errors import ClientError, RequestFailed
from streamer.errors import ConfigurationError, StoreUnavailable

FAILED: Final = 1
USAGE: Final = 2
NO_CONNECTION: Final = 3
INTERRUPTED: Final = 130
"""What shells expect of a program that Ctrl-C ended."""


class Sentences(TyperGroup):
    """A group of commands whose known errors end the program with a sentence."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (ClientError, ConfigurationError, StoreUnavailable) as error:
            typer.echo(sentence(error), err=True)
            raise typer.Exit(exit_code(error)) from error


def sentence(error: Exception) -> str:
    """What a person reads. A failed request also shows its details, as JSON."""
    if isinstance(error, RequestFailed) and error.details:
        return f"{error} {orjson.dumps(error.details).decode()}"
    return str(error)


def exit_code(error: Exception) -> int:
    if isinstance(error, ConfigurationError):
        return USAGE
    return NO_CONNECTION if isinstance(error, ClientError) and not isinstance(error, RequestFailed) else FAILED
