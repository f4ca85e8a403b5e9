import asyncio
import os
import signal
import stat
from pathlib import Path

import pytest

from streamer.cli.dev import Announcer, announcement, prepare, run_until_signalled
from streamer.cli.supervisor import Ended, Supervisor
from streamer.errors import ConfigurationError

APP = b'{"event":"listening","url":"http://127.0.0.1:8123"}'
WORKER = b'{"event":"listening","port":8124}'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A newcomer's folder, and no settings but free ports."""
    monkeypatch.setattr(
        os, "environ", {"STREAMER_PORT": "0", "STREAMER_INTERNAL_PORT": "0", "STREAMER_WORKER_PORT": "0"}
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path / ".streamer"


def test_prepare_completes_the_environment(folder: Path) -> None:
    settings = prepare(folder)
    assert settings.auth_mode == "off"
    assert settings.console
    assert os.environ["STREAMER_CLUSTER_KEY_ID"] == settings.cluster_key_id
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert prepare(folder) == settings


def test_prepare_refuses_to_be_open_to_the_network(folder: Path) -> None:
    os.environ["STREAMER_HOST"] = "0.0.0.0"
    with pytest.raises(ConfigurationError, match="AUTH_MODE=off"):
        prepare(folder)


def test_the_addresses_are_announced_once_both_listen(capsys: pytest.CaptureFixture[str]) -> None:
    shown: list[tuple[str, bytes]] = []
    announcer = Announcer(lambda name, line: shown.append((name, line)))
    for name, line in (("app", APP), ("app", b'"listening", they said'), ("worker", b'{"event": "a \\"listening\\""}')):
        announcer(name, line)
    announcer("worker", b'"listening"')
    assert capsys.readouterr().err == ""
    announcer("worker", WORKER)
    announcer("worker", WORKER)
    assert capsys.readouterr().err.count("http://127.0.0.1:8123") == 2
    assert len(shown) == 6


def test_the_announcement_has_an_example_that_fits() -> None:
    assert "--url" not in announcement("http://127.0.0.1:8080")
    assert "--url http://[::1]:99 generate_report" in announcement("http://[::1]:99")


class Signalled(Supervisor):
    """Runs until it is stopped, having sent this process a signal."""

    def __init__(self, number: signal.Signals | None) -> None:
        super().__init__([], on_line=lambda *_: None, environ={}, kill_after_s=1)
        self.number = number

    async def run(self) -> Ended | None:
        if self.number is None:
            return Ended("app", 1)
        os.kill(os.getpid(), self.number)
        await asyncio.wait_for(self._stopping.wait(), 20)
        return None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signals_stop_both(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    assert await run_until_signalled(Signalled(number)) is None
    assert signal.getsignal(number) in (before, signal.default_int_handler)


async def test_a_process_that_ended_is_returned() -> None:
    assert await run_until_signalled(Signalled(None)) == Ended("app", 1)
