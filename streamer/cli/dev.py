"""`streamer dev`: a node and a worker on one SQLite file, for one machine."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from streamer.cli.call import DEFAULT_URL
from streamer.cli.environment import additions, check_ports, cluster_key
from streamer.cli.roles import module_command
from streamer.cli.sentences import FAILED
from streamer.cli.supervisor import Ended, OnLine, Role, Supervisor
from streamer.cli.tables import create_tables, opened
from streamer.cli.viewer import Viewer, log_event, show_raw
from streamer.errors import ConfigurationError
from streamer.settings import Settings

if TYPE_CHECKING:
    from streamer.cli.reload import Reloader

FOLDER: Final = Path(".streamer")
ROLES: Final = {"app": "app", "worker": "workers"}
"""What the log lines call a process, and its module."""
KILL_AFTER_S: Final = 6.0
"""Longer than dev's drain and grace time; a process that still runs then is wedged."""
TABLES_WAIT_S: Final = 30.0
EXAMPLE: Final = """generate_report '{"start_date": "2024-01-01", "end_date": "2024-01-31", "format": "pdf"}'"""


def dev(
    reload: Annotated[
        bool, typer.Option("--reload", help="Start both anew when code of the modules in STREAMER_ACTIONS changes.")
    ] = False,
) -> None:
    """Run a server and a worker on one SQLite file in .streamer/, with the console page.

    Authentication is off unless STREAMER_JWT_SECRET or another of its variables is set. Ctrl-C stops both.
    """
    settings = prepare(FOLDER)
    if settings.auth_mode == "off":
        say(AUTH_IS_OFF)
    ended = asyncio.run(develop(settings, reload=reload))
    if ended is not None:
        typer.echo(f"The {ended.name} process ended by itself (exit code {ended.code}).", err=True)
        raise typer.Exit(FAILED)


AUTH_IS_OFF: Final = (
    "Authentication is off: every program on this machine may call everything. "
    "Set STREAMER_JWT_SECRET to ask for tokens."
)


def prepare(folder: Path) -> Settings:
    """Completes the environment, and says what is wrong before anything is started. Raises ConfigurationError."""
    folder.mkdir(mode=0o700, exist_ok=True)
    os.environ.update(additions(os.environ, cluster_key(folder / "cluster.json")))
    settings = Settings.read().checked_for_node().checked_for_worker()
    check_ports(settings)
    return settings


async def develop(settings: Settings, *, reload: bool) -> Ended | None:
    """Runs both processes until a signal comes or one of them ends; returns that one. Raises ConfigurationError."""
    announcer = Announcer(Viewer() if sys.stdout.isatty() else show_raw)
    reloader = reloader_of(settings, announcer) if reload else None
    await create_tables(lambda: opened(settings), wait_s=TABLES_WAIT_S)
    supervisor = Supervisor(
        [Role(name, module_command(module)) for name, module in ROLES.items()],
        on_line=announcer if reloader is None else reloader.on_line,
        on_end=None if reloader is None else reloader.on_end,
        environ=dict(os.environ),
        kill_after_s=KILL_AFTER_S,
    )
    if reloader is None:
        return await run_until_signalled(supervisor)
    async with asyncio.TaskGroup() as group:
        reloading = group.create_task(reloader.run(supervisor), name="reload")
        ended = await run_until_signalled(supervisor)
        reloading.cancel()
    return ended


def reloader_of(settings: Settings, on_line: OnLine) -> "Reloader":
    """Raises ConfigurationError where there is nothing to watch."""
    from streamer.cli.reload import Places, Reloader  # noqa: PLC0415  # only those who ask for it wait for it

    if not settings.actions:
        raise ConfigurationError("Set STREAMER_ACTIONS: --reload watches the code of its modules.")
    # A worker that knows a new action is there before a node takes requests for it.
    names = list(reversed(ROLES))
    return Reloader(Places(settings.actions), names=names, environ=dict(os.environ), on_line=on_line, say=say)


def say(text: str) -> None:
    """What this command itself has to say, beside the lines of its processes."""
    typer.secho(text, fg=typer.colors.YELLOW, err=True)


async def run_until_signalled(supervisor: Supervisor) -> Ended | None:
    """Runs the supervisor; SIGINT, SIGTERM and SIGHUP (the terminal has gone) stop it."""
    loop = asyncio.get_running_loop()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    for number in signals:
        loop.add_signal_handler(number, supervisor.stop)
    try:
        return await supervisor.run()
    finally:
        for number in signals:
            loop.remove_signal_handler(number)


class Announcer:
    """Shows every line, and once both processes listen, says where."""

    def __init__(self, show: OnLine) -> None:
        self._show = show
        self._listening: dict[str, Mapping[str, Any]] = {}  # the event `listening` of each process

    def __call__(self, name: str, line: bytes) -> None:
        self._show(name, line)
        if name not in self._listening and b'"listening"' in line:
            self._notice(name, log_event(line))

    def _notice(self, name: str, event: Mapping[str, Any] | None) -> None:
        if event is None or event["event"] != "listening":
            return
        self._listening[name] = event
        if len(self._listening) == len(ROLES):
            typer.secho(announcement(self._listening["app"]["url"]), bold=True, err=True)


def announcement(url: str) -> str:
    """Where the console is, and a line to try."""
    option = "" if url == DEFAULT_URL else f" --url {url}"
    return f"\n  Console  {url}\n  Try      streamer call{option} {EXAMPLE}\n"
