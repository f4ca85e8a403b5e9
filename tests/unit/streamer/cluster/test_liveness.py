"""Who is dead, by counters alone."""

from collections.abc import Iterable

from streamer.cluster.liveness import DeathWatch


class Watched:
    """A watch with beats every 2 s and death after 10 s, read at the seconds that a test names."""

    def __init__(self) -> None:
        self.watch = DeathWatch(beat_s=2.0, dead_s=10.0)

    def read(self, at: float, took: float = 0.0, **beats: int) -> list[str]:
        return self.watch.saw(beats.items(), asked=at, answered=at + took)

    def reads(self, times: Iterable[float], **beats: int) -> list[str]:
        dead: list[str] = []
        for at in times:
            dead = self.read(at, **beats)
        return dead


def test_a_counter_that_stands_still_for_ten_seconds_is_dead() -> None:
    watched = Watched()
    assert watched.reads(range(0, 10, 2), a=5) == []
    assert watched.read(10, a=5) == ["a"]
    assert watched.read(12, a=5) == ["a"]


def test_a_counter_that_moves_is_alive() -> None:
    watched = Watched()
    for at in range(0, 60, 2):
        assert watched.read(at, a=at) == []


def test_a_counter_that_moves_late_is_alive_again() -> None:
    watched = Watched()
    watched.reads(range(0, 10, 2), a=5)
    assert watched.read(10, a=6) == []
    assert watched.reads(range(12, 20, 2), a=6) == []
    assert watched.read(20, a=6) == ["a"]


def test_fewer_than_four_reads_prove_nothing() -> None:
    watch = DeathWatch(beat_s=5.0, dead_s=10.0)
    assert [watch.saw([("a", 1)], asked=at, answered=at) for at in (0.0, 5.0, 10.0, 15.0)] == [[], [], [], ["a"]]


def test_a_failed_read_starts_again() -> None:
    watched = Watched()
    watched.reads(range(0, 10, 2), a=5)
    watched.watch.missed()
    assert watched.reads(range(10, 20, 2), a=5) == []
    assert watched.read(20, a=5) == ["a"]


def test_a_late_read_starts_again() -> None:
    watched = Watched()
    watched.reads(range(0, 10, 2), a=5)
    assert watched.read(12.1, a=5) == []  # more than 4 s after the one at 8
    assert watched.read(14, a=5) == []


def test_a_slow_answer_counts_from_when_it_was_known() -> None:
    watched = Watched()
    watched.read(0, took=1.0, a=5)
    assert watched.reads((2, 4, 6, 8, 10), a=5) == []
    assert watched.read(11, a=5) == ["a"]


def test_each_is_judged_by_itself_and_who_is_gone_is_forgotten() -> None:
    watched = Watched()
    watched.reads((0, 2), a=1)
    for at in (4, 6, 8):
        watched.read(at, a=1, b=1)
    assert watched.read(10, a=1, b=1) == ["a"]
    assert watched.read(12, b=1) == []
    assert watched.read(14, a=1, b=1) == ["b"]
