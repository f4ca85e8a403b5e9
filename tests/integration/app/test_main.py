"""`python -m app`, in this process."""

import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from app import __main__ as entry
from app.server import Server


@pytest.fixture
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in {
        "STREAMER_AUTH_MODE": "off",
        "STREAMER_PORT": "0",
        "STREAMER_INTERNAL_PORT": "0",
        "STREAMER_CLUSTER_KEY_ID": "k",
        "STREAMER_CLUSTER_SECRET": "s",
        "STREAMER_STORE": f"sqlite:///{tmp_path}/streamer.db",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(entry, "configure", lambda *_: None)
    return monkeypatch


def when_started(patch: pytest.MonkeyPatch, act: Any) -> None:
    startup = Server.startup

    async def start(server: Server, sockets: list[socket.socket] | None = None) -> None:
        await startup(server, sockets)
        await act(server)

    patch.setattr(Server, "startup", start)


def test_a_node_that_was_told_to_stop_ends_well(environment: pytest.MonkeyPatch) -> None:
    async def stop(server: Server) -> None:
        server.stop()

    when_started(environment, stop)
    assert entry.main() == 0


def test_a_node_does_not_start_where_it_cannot_trace(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("STREAMER_TRACING", "true")
    environment.setitem(sys.modules, "streamer.telemetry.sdk", None)
    assert entry.main() == 2
    assert capsys.readouterr().err == "STREAMER_TRACING=true needs OpenTelemetry's SDK: install streamer[otel].\n"


def test_a_node_that_lost_a_part_does_not(environment: pytest.MonkeyPatch) -> None:
    async def die() -> None:
        raise RuntimeError("a bug")

    async def lose(server: Server) -> None:
        server.node.tasks.start(die(), "a part")

    when_started(environment, lose)
    assert entry.main() == 1


def test_threads_that_nobody_waits_for_do_not_keep_the_process(environment: pytest.MonkeyPatch) -> None:
    async def stop(server: Server) -> None:
        environment.setattr(server.config.app.state.registry, "close", lambda: 2)  # type: ignore[union-attr]  # ours
        server.stop()

    left: list[int] = []
    environment.setattr("os._exit", left.append)
    when_started(environment, stop)
    assert entry.main() == 0
    assert left == [0]


def test_settings_that_do_not_fit_are_told_in_a_sentence(
    environment: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    environment.setenv("STREAMER_HOST", "0.0.0.0")
    assert entry.main() == 2
    assert "STREAMER_AUTH_MODE=off is for this machine only" in capsys.readouterr().err
