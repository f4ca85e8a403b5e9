from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import given, strategies

from streamer.errors import InvalidPayload, RateLimited, StreamerError, TimedOut
from streamer.jobs import ids
from streamer.jobs.model import Aside, Failure, Progress, Status
from streamer.protocol import frames
from streamer.protocol.frames import Place
from tests.support.jobs import OOPS, row_in

PLACE = Place("r1", "j1", 2, 9)
NOW = 1_800_000_000.25
ABOUT_A_JOB = {"request_id": "r1", "job_id": "j1", "attempt": 2, "seq": 9, "timestamp": NOW}


def read(frame: bytes) -> Any:
    return orjson.loads(frame)


def test_response() -> None:
    expected = {"type": "response", "request_id": "r1", "success": True, "data": {"a": [1]}, "timestamp": NOW}
    assert read(frames.response("r1", {"a": [1]}, NOW)) == expected


def test_a_refusal_of_an_unreadable_frame_has_no_request_id() -> None:
    frame = read(frames.refusal(InvalidPayload(details={"errors": []}), None, NOW))
    assert frame == {
        "type": "error",
        "success": False,
        "error": {
            "code": "VALIDATION_ERROR",
            "message": InvalidPayload.default,
            "details": {"errors": []},
            "retry": {"retryable": False},
        },
        "final": False,
        "timestamp": NOW,
    }


@pytest.mark.parametrize(("after_ms", "told"), [(None, frames.RETRY_AFTER_MS), (250, 250), (0, 0)])
def test_a_retryable_error_says_after_how_long(after_ms: int | None, told: int) -> None:
    frame = read(frames.refusal(RateLimited(after_ms=after_ms), "r1", NOW))
    assert frame["error"]["retry"] == {"retryable": True, "after_ms": told}


def test_a_final_refusal_is_the_outcome_of_an_inline_request() -> None:
    frame = read(frames.refusal(TimedOut(), "r1", NOW, final=True))
    assert (frame["final"], frame["request_id"], frame["error"]["code"]) == (True, "r1", "TIMEOUT")


@pytest.mark.parametrize("ping_id", ["p", 7, 0, ""])
def test_a_pong_repeats_the_id(ping_id: str | int) -> None:
    assert read(frames.pong(ping_id, NOW)) == {"type": "pong", "id": ping_id, "timestamp": NOW}


def test_a_pong_without_id() -> None:
    assert read(frames.pong(None, NOW)) == {"type": "pong", "timestamp": NOW}


@pytest.mark.parametrize(
    ("status", "message"), [(Status.PENDING, "Request queued."), (Status.PROCESSING, "Request known.")]
)
def test_an_acknowledgment_stands_before_everything_else(status: Status, message: str) -> None:
    job = row_in(status, seq=5)
    assert read(frames.acknowledgment(job, NOW)) == {
        "type": "acknowledgment",
        "request_id": "r1",
        "job_id": job.job_id,
        "attempt": 0,
        "seq": 0,
        "status": "queued",
        "state": status,
        "message": message,
        "timestamp": NOW,
    }


def test_progress() -> None:
    expected = {"type": "progress", "percentage": 12.5, "message": "Reading", **ABOUT_A_JOB}
    assert read(frames.progress(PLACE, Progress(12.5, "Reading"), NOW)) == expected
    metadata = {"rows": 3}
    assert read(frames.progress(PLACE, Progress(12.5, "Reading", metadata), NOW)) == {**expected, "metadata": metadata}


def test_inline_progress_has_no_place() -> None:
    expected = {"type": "progress", "request_id": "r1", "percentage": 5.0, "message": "", "timestamp": NOW}
    assert read(frames.inline_progress("r1", Progress(5.0), NOW)) == expected


def test_a_chunk_takes_its_data_as_it_is() -> None:
    frame = frames.chunk(PLACE, 3, b'{"big":12345678901234567890123}', NOW)
    assert b'"data":{"big":12345678901234567890123}' in frame
    rest = {key: value for key, value in read(frame).items() if key != "data"}
    assert rest == {"type": "chunk", "index": 3, **ABOUT_A_JOB}


def test_a_piece_of_an_inline_answer_has_no_place() -> None:
    frame = frames.inline_chunk("r1", 3, b'{"big":12345678901234567890123}', NOW)
    assert b'"data":{"big":12345678901234567890123}' in frame
    rest = {key: value for key, value in read(frame).items() if key != "data"}
    assert rest == {"type": "chunk", "request_id": "r1", "index": 3, "timestamp": NOW}


def test_which_outcome_is_a_complete() -> None:
    assert frames.is_complete(frames.complete(PLACE, b"1", 0, NOW))
    assert not frames.is_complete(frames.failed(PLACE, OOPS, NOW))
    assert not frames.is_complete(frames.progress(PLACE, Progress(1), NOW))


def test_complete_takes_the_result_as_it_is() -> None:
    frame = frames.complete(PLACE, b'{"big":12345678901234567890123}', 4, NOW)
    assert b'"result":{"big":12345678901234567890123}' in frame
    rest = {key: value for key, value in read(frame).items() if key != "result"}
    assert rest == {"type": "complete", "success": True, "chunks": 4, **ABOUT_A_JOB}


def test_failed_is_final() -> None:
    error = {"code": OOPS.code, "message": OOPS.message, "details": {"error_id": "e1"}, "retry": {"retryable": False}}
    assert read(frames.failed(PLACE, OOPS, NOW)) == {
        "type": "error",
        "success": False,
        "error": error,
        "final": True,
        **ABOUT_A_JOB,
    }


def test_the_outcome_of_a_completed_job() -> None:
    job = row_in(Status.COMPLETED, chunks=2, result=Aside("r#1", 1))
    frame = read(frames.outcome(job, b'"done"', NOW))
    assert (frame["type"], frame["result"], frame["chunks"]) == ("complete", "done", 2)
    assert (frame["attempt"], frame["seq"], frame["request_id"], frame["job_id"]) == (1, 1, "r1", job.job_id)
    assert read(frames.outcome(job, None, NOW))["result"] is None


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
def test_the_outcome_of_any_other_job(status: Status) -> None:
    job = row_in(status, error=Failure("WORKER_LOST", "Gone.", retryable=True))
    error = read(frames.outcome(job, None, NOW))["error"]
    assert error == {"code": "WORKER_LOST", "message": "Gone.", "retry": {"retryable": True, "after_ms": 1_000}}


def test_an_outcome_without_a_reason_still_has_one() -> None:
    frame = read(frames.outcome(replace(row_in(Status.FAILED), error=None), None, NOW))
    assert (frame["error"]["code"], frame["error"]["message"]) == ("INTERNAL_ERROR", StreamerError.default)


@pytest.mark.parametrize("expires", [None, NOW + 60])
def test_welcome(expires: float | None) -> None:
    limits = {"message_bytes": 131_072, "in_flight": 64, "rate": 100}
    frame = frames.welcome(
        "c1", "n1", NOW, heartbeat_ms=25_000, token_expires_at=expires, limits=limits, reconnect_ms=(100, 2_000)
    )
    expected = {
        "type": "welcome",
        "connection_id": "c1",
        "node_id": "n1",
        "heartbeat_ms": 25_000,
        "limits": limits,
        "reconnect": {"min_ms": 100, "max_ms": 2_000},
        "inbox": [],
        "timestamp": NOW,
    }
    assert read(frame) == (expected if expires is None else {**expected, "token_expires_at": expires})


def test_welcome_offers_the_inbox_unless_it_could_not_be_read() -> None:
    about: dict[str, Any] = {"heartbeat_ms": 1, "token_expires_at": None, "limits": {}, "reconnect_ms": (1, 2)}
    entry = frames.inbox_entry(row_in(Status.COMPLETED))
    assert read(frames.welcome("c1", "n1", NOW, inbox=[entry], **about))["inbox"] == [entry]
    assert "inbox" not in read(frames.welcome("c1", "n1", NOW, inbox=None, **about))


def test_an_inbox_entry() -> None:
    job = row_in(Status.FAILED)
    assert frames.inbox_entry(job) == {"request_id": "r1", "job_id": job.job_id, "status": "FAILED"}


def test_resumed() -> None:
    running, finished = row_in(Status.PROCESSING, seq=7), row_in(Status.COMPLETED, job_id="f" * 32, attempt=3)
    assert read(frames.resumed("c1", [("r1", running, True), ("r2", finished, False)], NOW)) == {
        "type": "resumed",
        "connection_id": "c1",
        "requests": [
            {
                "request_id": "r1",
                "job_id": running.job_id,
                "status": "PROCESSING",
                "attempt": 1,
                "seq": 7,
                "recovered": True,
            },
            {
                "request_id": "r2",
                "job_id": finished.job_id,
                "status": "COMPLETED",
                "attempt": 3,
                "seq": 1,
                "recovered": False,
            },
        ],
        "timestamp": NOW,
    }


def test_resumed_of_nothing() -> None:
    expected = {"type": "resumed", "connection_id": "c1", "requests": [], "timestamp": NOW}
    assert read(frames.resumed("c1", [], NOW)) == expected


def test_subscribed_says_where_the_job_stands() -> None:
    job = row_in(Status.PROCESSING, seq=7)
    standing = {"job_id": job.job_id, "status": "PROCESSING", "attempt": 1, "seq": 7}
    assert read(frames.subscribed(job, NOW)) == {"type": "subscribed", **standing, "timestamp": NOW}
    assert read(frames.unsubscribed(job.job_id, job, NOW)) == {"type": "unsubscribed", **standing, "timestamp": NOW}


def test_unsubscribed_from_nothing() -> None:
    expected = {"type": "unsubscribed", "job_id": "j1", "timestamp": NOW}
    assert read(frames.unsubscribed("j1", None, NOW)) == expected


def test_drain() -> None:
    expected = {
        "type": "drain",
        "reason": "deploy",
        "reconnect_after_ms": [100, 2_000],
        "deadline_ms": 20_000,
        "timestamp": NOW,
    }
    assert read(frames.drain("deploy", (100, 2_000), 20_000, NOW)) == expected


def test_cancelling() -> None:
    expected = {"type": "cancelling", "request_id": "r1", "status": "PROCESSING", "timestamp": NOW}
    assert read(frames.cancelling(row_in(Status.PROCESSING), NOW)) == expected


def test_retrying() -> None:
    frame = read(frames.retrying(PLACE, OOPS, NOW + 3, NOW, continues_from=4))
    assert frame["error"]["code"] == OOPS.code
    assert (frame["type"], frame["retry_at"], frame["continues_from"]) == ("retrying", NOW + 3, 4)
    assert {key: frame[key] for key in ABOUT_A_JOB} == ABOUT_A_JOB


# --- under another name ---------------------------------------------------------------------------------------

CLIENT_IDS = strategies.from_regex(ids.CLIENT_ID, fullmatch=True)
TRICKY = strategies.text() | strategies.sampled_from(['"', '","request_id":"', '"request_id":"x"', "\\", '\\"'])
JSON = strategies.recursive(
    TRICKY | strategies.integers(-(2**53), 2**53),
    lambda inner: strategies.lists(inner) | strategies.dictionaries(TRICKY | strategies.just("request_id"), inner),
    max_leaves=5,
)


def frames_about_a_request(name: str, text: str, content: Any) -> list[bytes]:
    """One of each kind, as the request `name` is told of it."""
    place, failure, body = (
        Place(name, "j1", 2, 9),
        Failure("OOPS", text, {"request_id": content}),
        orjson.dumps(content),
    )
    done = row_in(Status.COMPLETED, client_id=name)
    failed = row_in(Status.FAILED, client_id=name, error=failure)
    return [
        frames.response(name, content, NOW),
        frames.inline_progress(name, Progress(5.0, text), NOW),
        frames.inline_chunk(name, 3, body, NOW),
        frames.acknowledgment(done, NOW),
        frames.progress(place, Progress(5.0, text, {"request_id": content}), NOW),
        frames.chunk(place, 3, body, NOW),
        frames.retrying(place, failure, NOW, NOW, continues_from=4),
        frames.complete(place, body, 4, NOW),
        frames.failed(place, failure, NOW),
        frames.outcome(done, body, NOW),
        frames.outcome(failed, None, NOW),
        frames.cancelling(done, NOW),
    ]


@given(CLIENT_IDS, CLIENT_IDS, TRICKY, JSON)
def test_a_frame_under_another_name_is_the_same_otherwise(name: str, other: str, text: str, content: Any) -> None:
    made = frames_about_a_request(name, text, content)
    assert [frames.as_known_by(frame, other) for frame in made] == frames_about_a_request(other, text, content)
