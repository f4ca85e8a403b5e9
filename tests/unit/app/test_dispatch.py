"""What is refused before anybody answers it; the answers are in tests/integration/app."""

from typing import Any, cast

import orjson
import pytest

from app.dispatch import Dispatch
from app.limits import Allowance
from streamer.protocol.codes import Close
from streamer.registry import Registry
from streamer.telemetry.metrics import Metrics
from tests.unit.app.parts import Socket, connection


class Nobody:
    """Answers no frame."""

    def __getattr__(self, name: str) -> Any:
        def answer(*_: Any) -> None:
            raise AssertionError(f"{name} was called")

        return answer


class Stage:
    def __init__(self) -> None:
        self.metrics = Metrics()
        self.socket = Socket()
        self.connection = connection(self.socket, v1=True)
        nobody = cast("Any", Nobody())
        self.dispatch = Dispatch(
            registry=Registry([], threads=1),
            metrics=self.metrics,
            inline=nobody,
            submits=nobody,
            cancels=nobody,
            resumes=nobody,
            watches=nobody,
            inboxes=nobody,
            renewals=nobody,
            max_in_flight=1,
            threshold_s=5.0,
        )

    def said(self, **frame: Any) -> dict[str, Any]:
        assert self.dispatch.take(self.connection, orjson.dumps(frame).decode()) is None
        return self.socket.frames[-1]


@pytest.fixture
async def stage() -> Stage:
    return Stage()


ABOUT: list[tuple[dict[str, Any], str | None]] = [
    ({"type": "cancel", "request_id": "r1"}, "r1"),
    ({"type": "ack", "request_id": "r1"}, "r1"),
    ({"type": "subscribe", "job_id": "j1"}, "j1"),
    ({"type": "unsubscribe", "job_id": "j1"}, "j1"),
    ({"type": "resume", "requests": [{"request_id": "r1"}]}, None),
]


@pytest.mark.parametrize(("frame", "about"), ABOUT, ids=[frame["type"] for frame, _ in ABOUT])
@pytest.mark.parametrize("why", ["too many in flight", "too many a second"])
async def test_a_refusal_says_which_frame_it_answers(
    stage: Stage, frame: dict[str, Any], about: str | None, why: str
) -> None:
    if why == "too many in flight":
        stage.connection.in_flight = 1
    else:
        stage.connection.allowance = Allowance(0.001, 0.0)
        stage.connection.allowance.owe(1_000_000, 0.0)
    refusal = stage.said(**frame)
    assert (refusal["type"], refusal["final"], refusal.get("request_id")) == ("error", False, about)
    assert refusal["error"]["code"] == "RATE_LIMITED"
    assert refusal["error"]["retry"]["retryable"] is True
    refused = {"action": "unknown", "outcome": "refused"}
    assert stage.metrics.registry.get_sample_value("streamer_messages_total", refused) == 1


async def test_a_ping_is_answered_however_busy_the_connection_is(stage: Stage) -> None:
    stage.connection.in_flight = 1
    assert stage.said(type="ping", id=7)["id"] == 7


async def test_a_request_for_what_nobody_knows_is_refused_by_its_id(stage: Stage) -> None:
    refusal = stage.said(action="nothing", id="r1")
    assert (refusal["error"]["code"], refusal["request_id"], refusal["final"]) == ("INVALID_ACTION", "r1", False)


async def test_a_client_whose_token_has_expired_may_renew_it_and_no_more(stage: Stage) -> None:
    stage.connection.is_expired = True
    for frame, about in [*ABOUT, ({"action": "nothing", "id": "r2"}, "r2")]:
        refusal = stage.said(**frame)
        assert (refusal["error"]["code"], refusal.get("request_id")) == ("UNAUTHORIZED", about)
    assert stage.said(type="ping")["type"] == "pong"
    assert stage.said(type="auth")["error"]["code"] == "INVALID_MESSAGE"  # and not refused for its sender
    assert not stage.connection.outbox.closed


@pytest.mark.parametrize("text", ['{"type":"ping"}', "no JSON", None], ids=["frames", "nonsense", "binary"])
async def test_who_goes_on_and_on_while_it_is_refused_is_closed(stage: Stage, text: str | None) -> None:
    stage.connection.allowance = Allowance(0.001, 0.0)
    stage.connection.allowance.owe(1_000_000, 0.0)
    tries = 0
    while not stage.connection.outbox.closed:
        tries += 1
        stage.dispatch.take(stage.connection, text)
    assert tries > 100
    assert len(stage.socket.frames) == tries - 1
    assert stage.socket.sent[-1]["code"] == Close.TOO_MANY_MESSAGES
