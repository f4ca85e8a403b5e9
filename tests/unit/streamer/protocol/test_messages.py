from streamer.jobs.model import Priority
from streamer.protocol.messages import DEFAULT_OPTIONS, Mode, Options


def test_without_options_the_action_decides() -> None:
    assert Options() == DEFAULT_OPTIONS
    assert (DEFAULT_OPTIONS.priority, DEFAULT_OPTIONS.delay_ms, DEFAULT_OPTIONS.mode) == (Priority.NORMAL, 0, Mode.AUTO)
