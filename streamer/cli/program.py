"""All commands, put together."""

from importlib.metadata import version
from typing import Annotated

import typer

from streamer.cli.broadcast import broadcast
from streamer.cli.call import call
from streamer.cli.dev import dev
from streamer.cli.healthcheck import healthcheck
from streamer.cli.roles import serve, worker
from streamer.cli.sentences import Sentences
from streamer.cli.tables import tables
from streamer.cli.token import token

program = typer.Typer(
    name="streamer",
    cls=Sentences,
    help="Long work behind a WebSocket: stored, acknowledged, run by workers, streamed back.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (dev, serve, worker, call, broadcast, token, healthcheck):
    program.command()(command)
program.add_typer(tables)


def main() -> None:
    """The console script."""
    program()


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"streamer {version('streamer')}")
        raise typer.Exit


@program.callback()
def _streamer(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    return
