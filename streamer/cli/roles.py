"""`streamer serve` and `streamer worker`: this process becomes a node or a worker."""

import os
import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer


def serve() -> None:
    """Run an app node: it holds the sockets. Configured by STREAMER_* variables."""
    _become("app")


def worker(
    queue: Annotated[
        list[str] | None, typer.Option(help="Take jobs of this queue, not of STREAMER_QUEUES; may be given again.")
    ] = None,
) -> None:
    """Run a worker: it does the queued work. Configured by STREAMER_* variables."""
    _become("workers", [part for name in queue or () for part in ("--queue", name)])


def module_command(module: str) -> list[str]:
    """How one of our processes is started by its module."""
    return [sys.executable, "-m", module]


def with_safe_path(environ: dict[str, str]) -> dict[str, str]:
    """So that a folder `app` where the user stands is never taken for ours."""
    return environ | {"PYTHONSAFEPATH": "1"}


def _become(module: str, arguments: Sequence[str] = ()) -> NoReturn:
    command = [*module_command(module), *arguments]
    os.execve(command[0], command, with_safe_path(dict(os.environ)))  # noqa: S606  # a fixed command, no shell
