from typing import Any

import pytest

from streamer.client import events

PLACE: dict[str, Any] = {"request_id": "r1", "job_id": "j1", "attempt": 2, "seq": 7, "timestamp": 12.5}
ERROR = {
    "code": "TIMEOUT",
    "message": "too long",
    "details": {"a": 1},
    "retry": {"retryable": True, "after_ms": 500},
}
PROBLEM = events.Problem("TIMEOUT", "too long", {"a": 1}, retryable=True, after_ms=500)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            {"type": "acknowledgment", "status": "queued", "state": "RETRYING", "message": "known", **PLACE},
            events.Acknowledged(**PLACE, state="RETRYING", message="known"),
        ),
        (
            {"type": "progress", "percentage": 40, "message": "m", "metadata": {"rows": 2}, **PLACE},
            events.ProgressEvent(**PLACE, percentage=40, message="m", metadata={"rows": 2}),
        ),
        (
            {"type": "chunk", "index": 3, "data": {"line": 1}, **PLACE},
            events.Chunk(**PLACE, index=3, data={"line": 1}),
        ),
        (
            {"type": "retrying", "error": ERROR, "retry_at": 99.0, "continues_from": 3, **PLACE},
            events.Retrying(**PLACE, error=PROBLEM, retry_at=99.0, continues_from=3),
        ),
        (
            {"type": "cancelling", "request_id": "r1", "status": "PROCESSING", "timestamp": 12.5},
            events.Cancelling(request_id="r1", status="PROCESSING", timestamp=12.5),
        ),
        (
            {"type": "response", "request_id": "r1", "success": True, "data": [1], "timestamp": 12.5},
            events.Response(request_id="r1", data=[1], timestamp=12.5),
        ),
        (
            {"type": "complete", "success": True, "result": {"url": "u"}, "chunks": 4, **PLACE},
            events.Completed(**PLACE, result={"url": "u"}, chunks=4),
        ),
        (
            {"type": "error", "error": ERROR, "final": False, "request_id": "r1", "timestamp": 12.5},
            events.Failed(request_id="r1", timestamp=12.5, error=PROBLEM, final=False),
        ),
    ],
)
def test_every_frame_about_a_request_is_an_event(frame: events.Frame, expected: events.Event) -> None:
    assert events.event(frame) == expected
    assert events.event({**frame, "a field of a later version": 1}) == expected


@pytest.mark.parametrize(
    "frame",
    [
        {"type": "drain", "request_id": "r1"},
        {"type": "pong", "id": 1},
        {"request_id": "r1"},
        {"type": ["complete"], "request_id": "r1"},
        {"type": "error", "error": {"code": "INVALID_MESSAGE"}},
    ],
)
def test_frames_of_unknown_types_and_without_a_request_are_no_events(frame: events.Frame) -> None:
    assert events.event(frame) is None


def test_what_a_frame_leaves_out_has_a_default() -> None:
    assert events.event({"type": "progress", "request_id": "r"}) == events.ProgressEvent(request_id="r", percentage=0.0)
    assert events.event({"type": "error", "request_id": "r"}) == events.Failed(
        request_id="r", error=events.Problem("INTERNAL_ERROR")
    )


def test_a_problem_can_be_raised() -> None:
    error = PROBLEM.as_exception()
    assert (error.code, error.message, error.details, error.retryable, error.after_ms) == (
        "TIMEOUT",
        "too long",
        {"a": 1},
        True,
        500,
    )
    assert str(error) == "TIMEOUT: too long"


@pytest.mark.parametrize("text", [b"[1]", b"{", b"null", b""])
def test_only_a_json_object_is_a_frame(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # orjson's own message, or ours
        events.read(text)
