"""All commands, put together. Each is imported when it is called: a health check is not to wait for all the others."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand
from typer.main import get_command

from streamer.cli.sentences import EXIT_CODES, Sentences

COMMANDS: Final = {
    "dev": ("streamer.cli.dev", "Run a server and a worker on one SQLite file in .streamer/, with the console page."),
    "serve": ("streamer.cli.roles", "Run an app node: it holds the sockets."),
    "worker": ("streamer.cli.roles", "Run a worker: it does the queued work."),
    "call": (
        "streamer.cli.call",
        "Call an action and print its result as JSON; a connection that is lost is taken up again.",
    ),
    "watch": ("streamer.cli.watch", "Show how a job goes on, and print its result as JSON."),
    "broadcast": (
        "streamer.cli.broadcast",
        "Send a message to all connections of a tenant, and print how many were sent, gone and failed.",
    ),
    "jobs": ("streamer.cli.jobs", "The jobs in the store."),
    "data": ("streamer.cli.data", "The data of users."),
    "token": (
        "streamer.cli.token",
        "Print a token that is signed with STREAMER_JWT_SECRET (HS256); or take tokens back.",
    ),
    "healthcheck": ("streamer.cli.healthcheck", "Exit with 0 if the URL answers 200, else with 1."),
    "config": (
        "streamer.cli.config",
        "Show the settings that hold here, and whether each comes from the environment or is the default.",
    ),
    "doctor": (
        "streamer.cli.doctor",
        "Look at settings, auth, cluster key, store, clock, ports and actions; name what is wrong and what to do.",
    ),
    "tables": ("streamer.cli.tables", "The tables of the store."),
    "contract": (
        "streamer.cli.contract",
        "The contract of the actions: AsyncAPI for the socket, OpenAPI for HTTP, types for TypeScript.",
    ),
}
"""Name of a command, or of a group of commands -> the module in which it has that name, and its first sentence, so that
lists of commands need none of them."""


class Commands(Sentences):
    """Finds commands by COMMANDS."""

    _lists = False  # only names and first sentences are asked for

    def list_commands(self, ctx: Any) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """None where there is no such command."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1]) if self._lists else loaded(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with self._listing():
            super().format_commands(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        with self._listing():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _listing(self) -> Iterator[None]:
        self._lists = True
        try:
            yield
        finally:
            self._lists = False


def loaded(name: str) -> Any:
    """The command, imported now."""
    found = getattr(import_module(COMMANDS[name][0]), name)
    if not isinstance(found, typer.Typer):
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
        alone.command(name)(found)
        found = alone
    return get_command(found)


program = typer.Typer(
    name="streamer",
    cls=Commands,
    help="Long work behind a WebSocket: stored, acknowledged, run by workers, streamed back.",
    epilog=f"Exit codes: {'; '.join(f'{code} {meaning}' for code, meaning in EXIT_CODES.items())}.",
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
