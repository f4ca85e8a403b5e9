"""`streamer serve` and `streamer worker`: this process becomes a node or a worker."""

import os
import sys
from typing import NoReturn


def serve() -> None:
    """Run an app node: it holds the sockets. Configured by STREAMER_* variables."""
    _become("app")


def worker() -> None:
    """Run a worker: it does the queued work. Configured by STREAMER_* variables."""
    _become("workers")


def module_command(module: str) -> list[str]:
    """How one of our processes is started by its module."""
    return [sys.executable, "-m", module]


def with_safe_path(environ: dict[str, str]) -> dict[str, str]:
    """So that a folder `app` where the user stands is never taken for ours."""
    return environ | {"PYTHONSAFEPATH": "1"}


def _become(module: str) -> NoReturn:
    command = module_command(module)
    os.execve(command[0], command, with_safe_path(dict(os.environ)))  # noqa: S606  # a fixed command, no shell
