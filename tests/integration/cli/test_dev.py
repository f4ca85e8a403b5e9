"""`streamer dev` with small programs in the place of its node and worker."""

import json
import os
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
