"""Log lines: one chain for structlog and the standard library."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal

import pytest
import structlog
from pydantic import SecretStr

from streamer.telemetry import log

Lines = Callable[[], list[dict[str, Any]]]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    """Configuring logs is for whole processes; this one has other tests to run."""
    root, before = logging.getLogger(), structlog.get_config()
    level, handlers = root.level, root.handlers[:]
    levels = {name: logging.getLogger(name).level for name in log.QUIET}
    root.handlers = []  # pytest's own, which `force` would close
    yield
    structlog.configure(**before)
    root.handlers = handlers
    root.setLevel(level)
    for name, quiet in levels.items():
        logging.getLogger(name).setLevel(quiet)


def configured(
    monkeypatch: pytest.MonkeyPatch,
    format: Literal["auto", "json", "human"] = "auto",  # noqa: A002 - as in the function under test
    level: str = "INFO",
    stdout: io.StringIO | None = None,
) -> io.StringIO:
    out = stdout or io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    log.configure(format, level)
    return out


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_line_is_one_json_object_where_stdout_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    out = configured(monkeypatch)
    with structlog.contextvars.bound_contextvars(connection_id="c1"):
        structlog.get_logger("streamer.test").info("connection_opened", tenant="t", port=7)
    (line,) = lines(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "connection_opened",
        "connection_id": "c1",
        "level": "info",
        "logger": "streamer.test",
        "tenant": "t",
        "port": 7,
    }


def test_the_standard_library_goes_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    out = configured(monkeypatch)
    logging.getLogger("acme").warning("%d left", 3)
    (line,) = lines(out)
    assert (line["event"], line["level"], line["logger"]) == ("3 left", "warning", "acme")


def test_an_error_is_told_without_local_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    formats: tuple[Literal["json"], Literal["human"]] = ("json", "human")
    for format_ in formats:
        out = configured(monkeypatch, format_)
        secret = "hid" + "den"
        try:
            int(len(secret) / 0)
        except ZeroDivisionError:
            structlog.get_logger("streamer.test").exception("it_broke")
        assert "ZeroDivisionError: division by zero" in out.getvalue()
        assert "hidden" not in out.getvalue()


def test_what_json_does_not_know_is_told_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    out = configured(monkeypatch, "json")
    structlog.get_logger("streamer.test").info("told", secret=SecretStr("hidden"), counts={1: 2})
    (line,) = lines(out)
    assert line["secret"] == "**********"
    assert line["counts"] == {"1": 2}


def test_levels(monkeypatch: pytest.MonkeyPatch) -> None:
    out = configured(monkeypatch, "json", "WARNING")
    structlog.get_logger("streamer.test").info("quiet")
    logging.getLogger("acme").info("quiet")
    structlog.get_logger("streamer.test").error("loud")
    assert [line["event"] for line in lines(out)] == ["loud"]


def test_loggers_that_print_paths_speak_from_warning_on(monkeypatch: pytest.MonkeyPatch) -> None:
    out = configured(monkeypatch, "json", "DEBUG")
    for name in log.QUIET:
        monkeypatch.setattr(logging.getLogger(name), "propagate", True)  # a server of another test may have shut it
        logging.getLogger(name).info("GET /ws?token=hidden")
        logging.getLogger(name).warning("loud")
    assert [line["event"] for line in lines(out)] == ["loud"] * len(log.QUIET)


@pytest.mark.parametrize("format_", ["auto", "human"])
def test_a_terminal_gets_coloured_lines(monkeypatch: pytest.MonkeyPatch, format_: Literal["auto", "human"]) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    out = configured(monkeypatch, format_, stdout=Terminal())
    structlog.get_logger("streamer.test").info("connection_opened", port=7)
    assert "\x1b[" in out.getvalue()
    assert "connection_opened" in out.getvalue()


def test_human_lines_without_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = configured(monkeypatch, "human")
    structlog.get_logger("streamer.test").info("one")
    monkeypatch.setenv("NO_COLOR", "1")
    asked = configured(monkeypatch, "auto", stdout=Terminal())
    structlog.get_logger("streamer.test").info("two")
    assert "one" in plain.getvalue()
    assert "two" in asked.getvalue()
    assert "\x1b[" not in plain.getvalue() + asked.getvalue()


def test_configuring_again_replaces(monkeypatch: pytest.MonkeyPatch) -> None:
    first = configured(monkeypatch, "json")
    second = configured(monkeypatch, "json")
    structlog.get_logger("streamer.test").info("once")
    assert first.getvalue() == ""
    assert len(lines(second)) == 1
