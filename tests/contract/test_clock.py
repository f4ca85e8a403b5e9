"""What an engine says of our wall clock."""

from streamer.store.base import now_ms
from tests.support.store import Engine

AHEAD_S = 60


async def test_a_clock_is_compared_with_the_answers_to_beats(engine: Engine) -> None:
    async with engine.open(clock=lambda: now_ms() + AHEAD_S * 1000) as store:
        at_first = store.clock_offset_s
        await store.nodes.beat("app", "clock", {})
        await store.nodes.remove("app", "clock")
        offset_s = store.clock_offset_s

    assert at_first is None
    if engine.name == "sqlite":
        assert offset_s is None
    else:
        assert offset_s is not None
        assert AHEAD_S - 30 < offset_s <= AHEAD_S  # the slower the answer, the less is certain
