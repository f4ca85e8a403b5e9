import re

import pytest

from streamer.cli.viewer import Viewer, log_event, show_raw


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def test_a_log_event_becomes_a_human_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    said: list[str] = []
    Viewer(said.append)("app", b'{"event": "connection_opened", "level": "info", "connection": "b.1"}')
    assert "\x1b[" in said[0]
    assert re.fullmatch(r"app +│ \[info *\] connection_opened +connection=b\.1", plain(said[0]))


@pytest.mark.parametrize("line", [b"Traceback (most recent call last):", b"{}", b"[1]", b"{"])
def test_other_lines_stay_as_they_are(line: bytes) -> None:
    said: list[str] = []
    Viewer(said.append)("worker", line)
    assert plain(said[0]) == f"worker │ {line.decode()}"
    assert log_event(line) is None


def test_colours_can_be_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    said: list[str] = []
    Viewer(said.append)("app", b'{"event": "x", "level": "info"}')
    assert plain(said[0]) == said[0]


def test_bytes_that_are_no_text_do_no_harm() -> None:
    said: list[str] = []
    Viewer(said.append)("other", b"\xff")
    assert plain(said[0]) == "other  │ \ufffd"


def test_raw_lines_are_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    show_raw("app", b'{"event":"x"}')
    assert capsys.readouterr().out == '{"event":"x"}\n'


def test_viewer_prints_by_default(capsys: pytest.CaptureFixture[str]) -> None:
    Viewer()("app", b"hello")
    assert "hello" in plain(capsys.readouterr().out)
