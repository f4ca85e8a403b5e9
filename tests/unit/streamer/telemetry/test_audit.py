"""Who did what: an event each, and a bound on what strangers can make of it."""

import asyncio
import io
import logging
import sys
from collections.abc import Iterator

import orjson
import pytest
import structlog
from structlog.testing import capture_logs

from streamer.auth import Principal
from streamer.telemetry import audit, log
from streamer.telemetry.audit import REFUSALS_PER_S, Audit
from tests.support.until import until

ANN = Principal("ann", "acme", frozenset({"reports:write"}), None)


@pytest.fixture
def _as_it_was() -> Iterator[None]:
    """Configuring logs is for whole processes; this one has other tests to run."""
    root, before = logging.getLogger(), structlog.get_config()
    level, handlers = root.level, root.handlers[:]
    root.handlers = []
    yield
    structlog.configure(**before)
    root.handlers = handlers
    root.setLevel(level)


def test_an_event_says_who_did_what_to_what() -> None:
    with capture_logs() as lines:
        audit.record("submit", ANN, result="created", action="report", request_id="r1", job_id=None)
        audit.record("refused", None, result="UNAUTHORIZED", frame="handshake")
    said = {"event": "audit", "log_level": "info"}
    assert lines == [
        {
            **said,
            "verb": "submit",
            "result": "created",
            "user": "ann",
            "tenant": "acme",
            "action": "report",
            "request_id": "r1",
        },
        {**said, "verb": "refused", "result": "UNAUTHORIZED", "frame": "handshake"},
    ]


async def test_refusals_are_written_up_to_a_bound_and_counted_beyond_it() -> None:
    now = [5.0]
    recorder = Audit(lambda: now[0])
    with capture_logs() as lines:
        for _ in range(REFUSALS_PER_S + 7):
            recorder.record("refused", None, result="UNAUTHORIZED")
        recorder.record("submit", ANN, result="created")
        assert [line["verb"] for line in lines] == ["refused"] * REFUSALS_PER_S + ["submit"]
        now[0] += 1
        recorder.record("refused", None, result="UNAUTHORIZED")
        assert len(lines) == REFUSALS_PER_S + 2
        await until(lambda: lines[-1]["event"] == "audit_left_out")
    assert lines[-1]["refusals"] == 7


async def test_a_second_flood_is_counted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    recorder = Audit(lambda: 5.0)
    told: list[object] = []
    monkeypatch.setattr(loop, "call_later", lambda _, tell: told.append(tell))
    with capture_logs() as lines:
        for _ in range(REFUSALS_PER_S + 2):
            recorder.record("refused", None, result="UNAUTHORIZED")
        recorder._tell()
        recorder.record("refused", None, result="UNAUTHORIZED")
        recorder._tell()
    assert [line["refusals"] for line in lines if line["event"] == "audit_left_out"] == [2, 1]
    assert len(told) == 2


@pytest.mark.usefixtures("_as_it_was")
def test_it_is_written_whatever_the_level_is(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    log.configure("json", "ERROR")
    monkeypatch.setattr(audit, "log", audit.logger())  # the one of this module would keep this test's format
    structlog.get_logger("streamer.test").info("quiet")
    audit.record("watch", ANN, result="PROCESSING", job_id="j1")
    (line,) = [orjson.loads(line) for line in out.getvalue().splitlines()]
    assert (line["event"], line["logger"], line["verb"], line["level"]) == ("audit", "streamer.audit", "watch", "info")
