from streamer.client import control
from streamer.client.control import Drain, Offer, Resumed, Welcome

WELCOME = {"type": "welcome", "connection_id": "b.1", "node_id": "b", "heartbeat_ms": 5, "token_expires_at": 9.0}
OFFER = {"request_id": "r", "job_id": "j", "status": "COMPLETED"}


def test_welcome_is_read() -> None:
    said = {"limits": {"rate": 1}, "reconnect": {"min_ms": 100, "max_ms": 2500}, "inbox": [OFFER]}
    assert control.welcome(WELCOME | said) == Welcome(
        connection_id="b.1",
        node_id="b",
        heartbeat_ms=5,
        token_expires_at=9.0,
        limits={"rate": 1},
        reconnect=(0.1, 2.5),
        inbox=[Offer("r", "j", "COMPLETED")],
    )


def test_what_a_welcome_leaves_out_has_a_default() -> None:
    welcome = control.welcome({"type": "welcome", "connection_id": "b.1"})
    assert welcome == Welcome(connection_id="b.1", node_id="", heartbeat_ms=0, reconnect=(0.0, 1.0), inbox=None)


def test_another_frame_is_no_welcome() -> None:
    assert control.welcome({"type": "response", "connection_id": "b.1"}) is None
    assert control.welcome({"type": "welcome"}) is None


def test_drain_is_read() -> None:
    frame = {"type": "drain", "reason": "deploy", "reconnect_after_ms": [100, 400], "deadline_ms": 650}
    assert control.drain(frame) == Drain("deploy", (0.1, 0.4), 0.65)
    assert control.drain({"type": "drain"}) == Drain("", (0.0, 0.0), 0.0)


def test_resumed_is_read() -> None:
    entries = [{"request_id": "a", "recovered": False}, {"request_id": "b"}]
    frame = {"type": "resumed", "connection_id": "b.1", "requests": entries}
    assert control.resumed(frame, "b.2") == Resumed("b.1", {"a": False, "b": True})
    assert control.resumed({"type": "resumed"}, "b.2") == Resumed("b.2", {})
