import pytest

from app.rest import events
from app.rest.events import Encoder
from streamer.errors import InvalidMessage
from streamer.jobs.model import Failure, Progress
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.protocol.messages import Seen

OOPS = Failure("PROCESSING_FAILED", "The action failed.")


def at(seq: int, attempt: int = 1) -> Place:
    return Place("r1", "j1", attempt, seq)


def encoded(encoder: Encoder, frame: bytes) -> tuple[str, str]:
    event = encoder.event(frame.decode())
    assert event is not None
    kind, event_id, data = event.decode().removesuffix("\n\n").split("\n")
    assert data == f"data: {frame.decode()}"
    return kind.removeprefix("event: "), event_id.removeprefix("id: ")


def test_an_id_counts_the_chunks_that_the_client_then_has() -> None:
    encoder = Encoder(0)
    told = [
        frames.progress(at(1), Progress(10.0), 0.0),
        frames.chunk(at(2), 0, b'{"index": 7}', 0.0),
        frames.chunk(at(3), 1, b"1", 0.0),
        frames.retrying(at(4), OOPS, 0.0, 0.0, continues_from=1),
        frames.chunk(at(1, 2), 1, b"1", 0.0),
        frames.complete(at(2, 2), b"1", 2, 0.0),
    ]
    ids = [encoded(encoder, frame) for frame in told[:-1]]
    is_over = [encoder.is_over]
    ids.append(encoded(encoder, told[-1]))
    assert [*is_over, encoder.is_over] == [False, True]
    assert ids == [
        ("progress", "1.1.0"),
        ("chunk", "1.2.1"),
        ("chunk", "1.3.2"),
        ("retrying", "1.4.1"),
        ("chunk", "2.1.2"),
        ("complete", "2.2.2"),
    ]


def test_a_retry_takes_nothing_from_who_has_less_than_stands() -> None:
    encoder = Encoder(1)
    assert encoded(encoder, frames.retrying(at(4), OOPS, 0.0, 0.0, continues_from=3)) == ("retrying", "1.4.1")


def test_a_failure_is_an_outcome() -> None:
    encoder = Encoder(3)
    assert encoded(encoder, frames.failed(at(9), OOPS, 0.0)) == ("error", "1.9.3")
    assert encoder.is_over


def test_what_is_not_about_a_job_is_no_event() -> None:
    encoder = Encoder(0)
    refusal = frames.refusal(InvalidMessage(), "r1", 0.0)
    for frame in (refusal, frames.drain("", (1, 2), 3, 0.0), frames.inline_progress("r1", Progress(1.0), 0.0), b"hi"):
        assert encoder.event(frame.decode()) is None
    assert not encoder.is_over


def test_a_comment_keeps_the_stream_alive() -> None:
    assert Encoder(0).event(events.KEEP_ALIVE) == b":\n\n"
    assert events.retry(1500) == b"retry: 1500\n\n"


def test_an_event_id_says_how_much_the_client_has() -> None:
    assert events.seen(None, "r1") == events.seen("", "r1") == Seen("r1")
    assert events.seen("2.1000000003.7", "r1") == Seen("r1", 2, 1_000_000_003, 7)


@pytest.mark.parametrize("last", ["x", "1.2", "1.2.3.4", "1..3", "-1.2.3", "1.2.9007199254740993", "1.2.3 "])
def test_what_is_no_event_id_is_refused(last: str) -> None:
    with pytest.raises(InvalidMessage, match="Last-Event-ID"):
        events.seen(last, "r1")
