"""The exit codes of real processes, each of the table in docs/cli.md."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from streamer.cli.sentences import EXIT_CODES, FAILED, INTERRUPTED, NO_CONNECTION, OK, USAGE
from tests.support.ports import free_port

STREAMER: Final = (sys.executable, "-m", "streamer")


def streamer(folder: Path, *arguments: str, **options: Any) -> "subprocess.Popen[str]":
    env = {name: value for name, value in os.environ.items() if not name.startswith("STREAMER_")}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*STREAMER, *arguments], cwd=folder, env=env, text=True, **{**pipes, **options})


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["tables", "create"], OK),
        (["doctor"], FAILED),
        (["jobs", "list", "--limit", "none"], USAGE),
        (["token", "--user", "ann", "--tenant", "acme"], USAGE),
        (["jobs", "list"], NO_CONNECTION),
        (["call", "echo", "--url", f"http://127.0.0.1:{free_port()}"], NO_CONNECTION),
        (["watch", "0" * 32, "--url", f"http://127.0.0.1:{free_port()}"], NO_CONNECTION),
    ],
)
def test_what_came_of_it(tmp_path: Path, arguments: list[str], code: int) -> None:
    with streamer(tmp_path, *arguments) as process:
        _, said = process.communicate(timeout=60)
    assert process.returncode == code, said
    assert "Traceback" not in said


def test_ctrl_c(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with streamer(tmp_path, "call", "echo", "--url", url) as process, silent.accept()[0] as socket_:
            assert socket_.recv(4) == b"GET "  # it waits now for an answer
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (INTERRUPTED, "Stopped waiting; the request goes on at the server.\n")


def test_a_reader_that_has_enough_is_no_traceback(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with streamer(tmp_path, "config", stdout=write) as process:
        os.close(write)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (FAILED, "")


def test_each_has_a_name() -> None:
    assert set(EXIT_CODES) == {OK, FAILED, USAGE, NO_CONNECTION, INTERRUPTED}
