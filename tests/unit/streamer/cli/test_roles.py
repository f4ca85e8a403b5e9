import os
import sys
from collections.abc import Callable

import pytest

from streamer.cli import roles


class Became(Exception):
    """Where a real call would have replaced this process."""


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (roles.serve, ["app"]),
        (roles.worker, ["workers"]),
        (lambda: roles.worker(["gpu", "default"]), ["workers", "--queue", "gpu", "--queue", "default"]),
    ],
)
def test_a_role_replaces_the_process(
    command: Callable[[], None], arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def execve(path: str, argv: list[str], environ: dict[str, str]) -> None:
        assert path == sys.executable
        assert argv == [sys.executable, "-m", *arguments]
        assert environ["PYTHONSAFEPATH"] == "1"
        assert environ["STREAMER_PORT"] == "1"
        raise Became

    monkeypatch.setenv("STREAMER_PORT", "1")
    monkeypatch.setattr(os, "execve", execve)
    with pytest.raises(Became):
        command()
