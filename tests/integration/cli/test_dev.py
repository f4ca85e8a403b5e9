"""`streamer dev` with small programs in the place of its node and worker."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

import pytest
from typer.testing import CliRunner

from streamer.cli import dev as dev_module
from streamer.cli.program import program

LISTENS = """
import json, signal
print(json.dumps({"event": "listening", "url": "http://127.0.0.1:7"}), flush=True)
signal.pause()
"""
ENDS = "import sys; print('no such table'); sys.exit(4)"


@pytest.fixture(autouse=True)
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A folder of their own, and no settings but free ports."""
    monkeypatch.chdir(tmp_path)
    ports = dict.fromkeys(("STREAMER_PORT", "STREAMER_INTERNAL_PORT", "STREAMER_WORKER_PORT"), "0")
    with patch.dict(os.environ, ports):
        yield


def commands(code: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    def command(module: str) -> Sequence[str]:
        return [sys.executable, "-c", code[module]]

    monkeypatch.setattr(dev_module, "module_command", command)


def test_a_process_that_ends_stops_the_other_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands({"app": LISTENS, "workers": ENDS}, monkeypatch)
    result = CliRunner().invoke(program, ["dev"])
    assert result.exit_code == 1
    assert result.stderr.splitlines()[0].startswith("Authentication is off")
    assert result.stderr.splitlines()[-1] == "The worker process ended by itself (exit code 4)."
    assert "no such table" in result.stdout
    assert (tmp_path / ".streamer" / "streamer.db").exists()


def test_ctrl_c_stops_both(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupts = "import os, signal; os.kill(os.getppid(), signal.SIGINT); signal.pause()"
    commands({"app": LISTENS, "workers": interrupts}, monkeypatch)
    monkeypatch.setenv("STREAMER_JWT_SECRET", "a secret of at least thirty-two bytes")
    result = CliRunner().invoke(program, ["dev"])
    assert (result.exit_code, result.stderr) == (0, "")


def test_lines_that_programs_read_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    commands({"app": 'print(\'{"event": "x"}\')', "workers": LISTENS}, monkeypatch)
    result = CliRunner().invoke(program, ["dev"])
    assert {"event": "x"} in [json.loads(line) for line in result.stdout.splitlines()]


def test_reload_without_modules_is_not_understood() -> None:
    result = CliRunner().invoke(program, ["dev", "--reload"])
    assert (result.exit_code, result.stderr.splitlines()[-1].startswith("Set STREAMER_ACTIONS")) == (2, True)


RELOADED = """
import json, os, pathlib, signal
runs = pathlib.Path("runs")
runs.write_text(runs.read_text() + "x" if runs.exists() else "x")
print(json.dumps({"event": "listening", "url": "http://127.0.0.1:7"}), flush=True)
os.kill(os.getppid(), signal.SIGINT) if len(runs.read_text()) == 4 else None
signal.pause()
"""
"""Both processes write down that they were started; the fourth of them presses Ctrl-C."""
WRITES = """
import pathlib, threading
def write(number=0):
    pathlib.Path("watched_shop.py").write_text(f"x = {number}")
    threading.Timer(0.2, write, [number + 1]).start()
write()
"""


def test_reload_starts_both_anew_and_ctrl_c_still_stops_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "watched_shop.py").touch()
    (tmp_path / "runs").write_text("")
    commands({"app": RELOADED, "workers": RELOADED}, monkeypatch)
    monkeypatch.setattr("streamer.cli.reload.module_command", lambda _: [sys.executable, "-c", ""])
    monkeypatch.setenv("STREAMER_ACTIONS", "watched_shop")
    with subprocess.Popen([sys.executable, "-c", WRITES], cwd=tmp_path) as writer:
        try:
            result = CliRunner().invoke(program, ["dev", "--reload"])
        finally:
            writer.kill()
    assert result.exit_code == 0
    assert "watched_shop.py changed: starting anew." in result.stderr
    assert len((tmp_path / "runs").read_text()) >= 4
