from app.connection import Connection
from app.tracker import Frame, Tracker
from streamer.jobs.model import Progress
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.protocol.messages import Seen
from tests.unit.app.parts import Socket, connection

HERE = Place("r1", "j1", 1, 2)


def progress(seq: int, percentage: float, chunks: int = 0) -> Frame:
    place = Place("r1", "j1", 1, seq)
    return Frame("progress", 1, seq, frames.progress(place, Progress(percentage), 0.0), percentage, chunks)


def complete(seq: int) -> Frame:
    return Frame("outcome", 1, seq, frames.complete(Place("r1", "j1", 1, seq), b"1", 0, 0.0))


def watching(made: Connection, *wants: str) -> Tracker:
    tracker = made.resume("j1", Seen("j1"), wants=frozenset(wants) or None, let_in=True)
    assert tracker is not None
    list(tracker.end_filling())
    return tracker


async def test_a_watcher_knows_the_job_by_its_own_id() -> None:
    socket = Socket()
    made = connection(socket, v1=True)
    made.deliver(watching(made), progress(1, 20.0), 0.0)
    assert [(each["type"], each["request_id"]) for each in socket.frames] == [("progress", "j1")]


async def test_a_watcher_that_asks_for_the_job_itself_knows_it_by_the_id_that_it_gave() -> None:
    socket = Socket()
    made = connection(socket, v1=True)
    tracker = watching(made, "chunk")
    assert made.track("j1", "r1") is tracker
    made.deliver(tracker, progress(1, 20.0), 0.0)
    assert not socket.frames  # the acknowledgment comes first
    made.acknowledge(tracker, b'{"type":"acknowledgment"}', 0.0)
    assert [each["type"] for each in socket.frames] == ["acknowledgment", "progress"]
    assert socket.frames[1]["request_id"] == "r1"


async def test_a_hundred_comes_before_the_end_unless_it_was_said_or_is_not_wanted() -> None:
    said = []
    for wants, before in (((), 20.0), ((), 100.0), (("chunk",), 20.0)):
        socket = Socket()
        made = connection(socket, v1=True)
        tracker = watching(made, *wants)
        for frame in (progress(1, before), complete(4)):
            made.deliver(tracker, frame, 7.0)
        said.append([(each["type"], each.get("percentage"), each["seq"]) for each in socket.frames])
        assert not made.trackers
    assert said == [
        [("progress", 20.0, 1), ("progress", 100.0, 3), ("complete", None, 4)],
        [("progress", 100.0, 1), ("complete", None, 4)],
        [("complete", None, 4)],
    ]


async def test_who_reads_the_log_is_called_once() -> None:
    called: list[str] = []
    socket = Socket()
    made = connection(socket, v1=True, on_gap=lambda _, tracker: called.append(tracker.job_id))
    tracker = watching(made)
    for seq in (3, 4):
        tracker.is_served = seq == 4  # nobody was at it before
        made.deliver(tracker, progress(seq, 20.0, chunks=2), 0.0)
    assert called == ["j1"]
    assert not socket.frames


async def test_only_the_tracker_that_is_there_is_forgotten() -> None:
    made = connection(Socket())
    former = watching(made)
    made.forget(former)
    present = watching(made)
    made.forget(former)
    assert made.trackers == {"j1": present}
