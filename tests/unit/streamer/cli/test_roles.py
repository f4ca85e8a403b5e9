import os
import sys

import pytest

from streamer.cli import roles


class Became(Exception):
    """Where a real call would have replaced this process."""


@pytest.mark.parametrize(("command", "module"), [(roles.serve, "app"), (roles.worker, "workers")])
def test_a_role_replaces_the_process(command: object, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def execve(path: str, argv: list[str], environ: dict[str, str]) -> None:
        assert path == sys.executable
        assert argv == [sys.executable, "-m", module]
        assert environ["PYTHONSAFEPATH"] == "1"
        assert environ["STREAMER_PORT"] == "1"
        raise Became

    monkeypatch.setenv("STREAMER_PORT", "1")
    monkeypatch.setattr(os, "execve", execve)
    with pytest.raises(Became):
        command()  # type: ignore[operator]  # both are plain functions
