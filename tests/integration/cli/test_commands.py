"""The commands as a person types them, but for `call` and `dev`."""

import http.server
import runpy
import sqlite3
import sys
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from streamer.cli.program import program

SECRET = "a secret of at least thirty-two bytes"


class Health(http.server.BaseHTTPRequestHandler):
    """200 for /livez, 503 for anything else."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/livez" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's word
        del format, args


@pytest.fixture
def health() -> Iterator[str]:
    with http.server.HTTPServer(("127.0.0.1", 0), Health) as server:
        serving = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        serving.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        serving.join()


def test_version_and_help() -> None:
    assert CliRunner().invoke(program, ["--version"]).stdout == f"streamer {version('streamer')}\n"
    assert "dev" in CliRunner().invoke(program, ["--help"]).stdout


def test_the_module_is_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["streamer", "--version"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("streamer", run_name="__main__")
    assert (ended.value.code, capsys.readouterr().out) == (0, f"streamer {version('streamer')}\n")


def test_token_is_signed_with_the_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_JWT_SECRET", SECRET)
    arguments = ["token", "--user", "ann", "--tenant", "t1", "--permission", "a", "--permission", "b"]
    token = CliRunner().invoke(program, [*arguments, "--expires-in", "15m"]).stdout.strip()
    claims = jwt.decode(token, SECRET, algorithms=["HS256"])
    assert (claims["sub"], claims["tenant_id"], claims["permissions"]) == ("ann", "t1", ["a", "b"])


def test_token_without_a_secret_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STREAMER_JWT_SECRET", raising=False)
    result = CliRunner().invoke(program, ["token", "--user", "ann", "--tenant", "t1"])
    assert result.exit_code == 2
    assert result.stderr.startswith("Set STREAMER_JWT_SECRET")


def test_a_wrong_setting_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_PORT", "no")
    result = CliRunner().invoke(program, ["tables", "create"])
    assert result.exit_code == 2
    assert result.stderr.startswith("STREAMER_PORT: ")
    assert len(result.stderr.splitlines()) == 1


def test_tables_can_be_created_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "streamer.db"
    monkeypatch.setenv("STREAMER_STORE", f"sqlite:///{path}")
    for _ in range(2):
        result = CliRunner().invoke(program, ["tables", "create"])
        assert (result.exit_code, result.stdout) == (0, "The tables are there.\n")
    database = sqlite3.connect(path)
    assert database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] > 0
    database.close()


def test_healthcheck_asks_for_200(health: str) -> None:
    assert CliRunner().invoke(program, ["healthcheck", f"{health}/livez"]).exit_code == 0
    unready = CliRunner().invoke(program, ["healthcheck", f"{health}/readyz"])
    assert (unready.exit_code, unready.stderr) == (1, f"{health}/readyz answers 503.\n")


@pytest.mark.parametrize(
    ("url", "fault"),
    [
        ("file:///etc/passwd", "is not an HTTP URL"),
        ("http://127.0.0.1:1/livez", "does not answer"),
        ("http://127.0.0.1:port/", "does not answer"),
    ],
)
def test_healthcheck_says_what_is_wrong(url: str, fault: str) -> None:
    result = CliRunner().invoke(program, ["healthcheck", url])
    assert result.exit_code == 1
    assert fault in result.stderr
