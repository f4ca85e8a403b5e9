from streamer.jobs.fairness import virtual_time
from streamer.jobs.model import Priority


def test_high_overtakes_what_came_up_to_ten_seconds_earlier() -> None:
    assert virtual_time(20_000, Priority.HIGH) == virtual_time(10_000, Priority.NORMAL)


def test_low_steps_back_behind_what_comes_up_to_a_minute_later() -> None:
    assert virtual_time(20_000, Priority.LOW) == virtual_time(80_000, Priority.NORMAL)
