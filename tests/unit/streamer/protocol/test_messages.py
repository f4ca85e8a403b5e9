from streamer.jobs.model import Priority
from streamer.protocol.messages import DEFAULT_OPTIONS, Mode, Options, Seen


def test_without_options_the_action_decides() -> None:
    assert Options() == DEFAULT_OPTIONS
    assert (DEFAULT_OPTIONS.priority, DEFAULT_OPTIONS.delay_ms, DEFAULT_OPTIONS.mode) == (Priority.NORMAL, 0, Mode.AUTO)
    assert not DEFAULT_OPTIONS.durable


def test_who_says_nothing_has_seen_nothing() -> None:
    assert Seen("r1") == Seen("r1", attempt=0, seq=0, chunks=0)
