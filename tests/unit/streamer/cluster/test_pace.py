"""No more turns in a second than asked for, whatever the timers do."""

import asyncio
from itertools import chain

import pytest

from streamer.cluster.pace import Pace
from tests.unit.streamer.cluster.stopwatch import Stopwatch, most_within_a_second


async def turns(pace: Pace, watch: Stopwatch, count: int) -> list[float]:
    """When each of them was given."""
    given: list[float] = []
    for _ in range(count):
        await pace.turn()
        given.append(watch())
    return given


@pytest.mark.parametrize("late_s", [0.0, 0.004, 1.7])
@pytest.mark.parametrize("rate", [1, 2, 19, 20, 500])
async def test_the_rate_is_kept_however_late_a_timer_is(rate: int, late_s: float) -> None:
    watch = Stopwatch(late_s=late_s)
    given = await turns(Pace(rate, clock=watch, sleep=watch.sleep), watch, 3 * rate + 2)
    assert most_within_a_second(given) <= rate


@pytest.mark.parametrize("rate", [20, 500, 2_000])
async def test_a_coarse_timer_costs_little_of_the_rate(rate: int) -> None:
    watch = Stopwatch(late_s=0.002)
    given = await turns(Pace(rate, clock=watch, sleep=watch.sleep), watch, 5 * rate)
    assert len(given) / (given[-1] - given[0]) > 0.9 * rate


async def test_who_was_idle_saves_up_no_more_than_a_burst() -> None:
    watch = Stopwatch()
    pace = Pace(100, clock=watch, sleep=watch.sleep)
    watch.now += 60.0
    given = await turns(pace, watch, 300)
    assert most_within_a_second(given) <= 100


async def test_callers_share_one_rate() -> None:
    watch = Stopwatch()
    pace = Pace(50, clock=watch, sleep=watch.sleep)
    given = await asyncio.gather(*(turns(pace, watch, 20) for _ in range(16)))
    assert most_within_a_second(sorted(chain(*given))) <= 50


@pytest.mark.parametrize("rate", [0, -1])
def test_a_rate_below_one_is_refused(rate: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Pace(rate)
