"""All commands, put together. Each is imported when it is called: a health check is not to wait for all the others."""

from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer
from typer.main import get_command

from streamer.cli.sentences import Sentences

COMMANDS: Final = {
    "dev": "streamer.cli.dev",
    "serve": "streamer.cli.roles",
    "worker": "streamer.cli.roles",
    "call": "streamer.cli.call",
    "watch": "streamer.cli.watch",
    "broadcast": "streamer.cli.broadcast",
    "jobs": "streamer.cli.jobs",
    "data": "streamer.cli.data",
    "token": "streamer.cli.token",
    "healthcheck": "streamer.cli.healthcheck",
    "config": "streamer.cli.config",
    "doctor": "streamer.cli.doctor",
    "tables": "streamer.cli.tables",
    "contract": "streamer.cli.contract",
}
"""Name of a command, or of a group of commands -> the module in which it has that name."""


class Commands(Sentences):
    """Finds commands by COMMANDS."""

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """None where there is no such command."""
        del ctx
        return loaded(cmd_name) if cmd_name in COMMANDS else None


def loaded(name: str) -> Any:
    """The command, imported now."""
    found = getattr(import_module(COMMANDS[name]), name)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        alone.command(name)(found)
        found = alone
    return get_command(found)


program = typer.Typer(
    name="streamer",
    cls=Commands,
    help="Long work behind a WebSocket: stored, acknowledged, run by workers, streamed back.",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


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
