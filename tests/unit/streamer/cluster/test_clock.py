import asyncio

import pytest
from structlog.testing import capture_logs

from streamer.cluster.clock import ClockWatch
from streamer.telemetry.metrics import Metrics
from tests.support.until import until


class Offset:
    """What the store says of our clock, as the test has it."""

    def __init__(self, offset_s: float | None) -> None:
        self.offset_s = offset_s
        self.metrics = Metrics()
        self.watch = ClockWatch(lambda: self.offset_s, self.metrics)

    @property
    def measured(self) -> float:
        value: float = self.metrics.clock_offset_seconds._value.get()
        return value


@pytest.mark.parametrize(
    ("offset_s", "is_right"), [(None, True), (0.0, True), (2.0, True), (-2.0, True), (2.1, False), (-2.1, False)]
)
def test_two_seconds_are_too_many(offset_s: float | None, is_right: bool) -> None:
    assert Offset(offset_s).watch.is_right is is_right


def test_a_change_is_logged_once() -> None:
    offset = Offset(0.0)
    with capture_logs() as logs:
        seen = []
        for offset.offset_s in (0.0, 5.0, 6.0, -7.0, 1.0, 0.0):
            seen.append((offset.watch.look(), offset.measured))
    assert [(event["event"], event["offset_s"]) for event in logs] == [("clock_wrong", 5.0), ("clock_right", 1.0)]
    assert seen == [(False, 0.0), (False, 5.0), (False, 6.0), (False, -7.0), (True, 1.0), (False, 0.0)]


def test_where_there_is_nothing_to_compare_nothing_is_measured() -> None:
    offset = Offset(None)
    offset.metrics.clock_offset_seconds.set(3.0)
    with capture_logs() as logs:
        assert not offset.watch.look()
    assert (logs, offset.measured) == ([], 3.0)


async def test_what_was_missed_is_looked_for_when_the_clock_is_right_again() -> None:
    offset = Offset(9.0)
    swept: list[float | None] = []

    async def sweep() -> None:
        swept.append(offset.offset_s)

    running = asyncio.create_task(offset.watch.run(0.01, sweep))
    await until(lambda: offset.measured == 9.0)
    assert swept == []
    offset.offset_s = 1.0
    await until(lambda: swept)
    running.cancel()
    assert swept == [1.0]


async def test_nothing_has_to_follow() -> None:
    offset = Offset(9.0)
    running = asyncio.create_task(offset.watch.run(0.01))
    await until(lambda: offset.measured == 9.0)
    offset.offset_s = 1.0
    await until(lambda: offset.measured == 1.0)
    assert not running.done()
    running.cancel()
