import pytest

from app.hub import Delivery, Hub
from app.tracker import Frame
from streamer.auth import Principal
from streamer.jobs.model import Progress
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.protocol.messages import Seen
from streamer.telemetry.metrics import Metrics
from tests.unit.app.parts import ANN, Socket, connection

BOB = Principal("bob", "t1", frozenset(), None)
ELSEWHERE = Principal("ann", "t2", frozenset(), None)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def hub(metrics: Metrics) -> Hub:
    return Hub(metrics)


def progress(seq: int = 1) -> Frame:
    body = frames.progress(Place("r1", "j1", 1, seq), Progress(20.0), 0.0)
    return Frame("progress", 1, seq, body, 20.0)


def delivery(*names: str, seq: int = 1) -> Delivery:
    return Delivery(names, "j1", "t1", "ann", progress(seq))


def dropped(metrics: Metrics, reason: str) -> float | None:
    return metrics.registry.get_sample_value("streamer_frames_dropped_total", {"reason": reason})


@pytest.mark.parametrize(
    ("principal", "let_in", "hears"),
    [(ANN, False, True), (BOB, True, True), (BOB, False, False), (ELSEWHERE, True, False), (ELSEWHERE, False, False)],
    ids=["the user", "a watcher", "another user", "a watcher of another tenant", "another tenant"],
)
async def test_a_frame_is_handed_to_whom_it_is_for(
    hub: Hub, metrics: Metrics, principal: Principal, let_in: bool, hears: bool
) -> None:
    """Whatever tracker a connection may have by some mistake."""
    socket = Socket()
    made = connection(socket, principal=principal, v1=True)
    tracker = made.resume("j1", Seen("j1"), let_in=let_in)
    assert tracker is not None
    list(tracker.end_filling())
    hub.add(made)
    assert hub.deliver(delivery("n1.c1"), 0.0) == []
    assert bool(socket.frames) is hears
    assert dropped(metrics, "foreign") == (not hears)


async def test_who_is_not_here_is_named_and_who_does_not_wait_for_it_hears_nothing(hub: Hub, metrics: Metrics) -> None:
    socket = Socket()
    hub.add(connection(socket))
    assert hub.deliver(delivery("n1.c1", "n1.c2"), 0.0) == ["n1.c2"]
    assert not socket.frames
    assert (dropped(metrics, "gone"), dropped(metrics, "stale")) == (1, 1)


async def test_what_is_late_is_counted_and_no_sign_of_life(hub: Hub, metrics: Metrics) -> None:
    made = connection(Socket())
    tracker = made.resume("j1", Seen("r1", 1, 5))
    assert tracker is not None
    hub.add(made)
    hub.deliver(delivery("n1.c1", seq=5), 0.0)
    assert (dropped(metrics, "stale"), tracker.heard) == (1, 0.0)
    hub.deliver(delivery("n1.c1", seq=6), 0.0)
    assert (dropped(metrics, "stale"), tracker.heard > 0.0) == (1, True)


async def test_a_connection_that_was_replaced_takes_nobody_else_with_it(hub: Hub, metrics: Metrics) -> None:
    """Its socket may end after the one that has its id now has come."""
    before, after = connection(Socket()), connection(Socket(), name="n1.c2")
    for each in (before, after):
        hub.add(each)
    assert hub.rebind(after, "n1.c1", 1) is before
    hub.remove(before)
    assert list(hub) == [after]
    assert hub.get("n1.c2") is None
    assert metrics.registry.get_sample_value("streamer_connections") == 1


async def test_an_id_that_nobody_has_here_is_taken_up_in_place_of_the_given_one(hub: Hub) -> None:
    made = connection(Socket())
    hub.add(made)
    assert hub.rebind(made, "n2.former", 3) is None
    assert (made.connection_id, made.reconnects) == ("n2.former", 3)
    assert hub.get("n2.former") is made
    assert len(hub) == 1
