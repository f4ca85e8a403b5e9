"""Who is next."""

import pytest

from streamer.jobs import fairness
from streamer.jobs.fairness import OFFSET, Turns
from streamer.jobs.model import Priority


def test_a_tenant_gets_one_place_per_round() -> None:
    turns = Turns(100)
    assert [turns.next("a") for _ in range(3)] == [100, 101, 102]


def test_a_burst_of_one_tenant_does_not_push_back_another() -> None:
    turns = Turns(100)
    for _ in range(5_000):
        turns.next("a")
    assert [turns.next("b"), turns.next("b")] == [100, 101]


def test_a_tenant_whose_burst_has_drained_has_no_debts() -> None:
    turns = Turns(100)
    for _ in range(50):
        turns.next("a")
    turns.served(5_000)
    assert turns.next("a") == turns.next("b") == 5_000


def test_what_is_idle_saves_nothing_up() -> None:
    turns = Turns(100)
    turns.next("a")
    turns.served(200)
    assert turns.next("a") == 200


def test_virtual_time_never_goes_back() -> None:
    turns = Turns(100)
    turns.served(200)
    turns.served(150)
    assert turns.now == 200


def test_high_does_not_wait_behind_what_its_own_tenant_has_waiting() -> None:
    turns = Turns(100)
    for _ in range(5_000):
        turns.next("a")
    assert turns.next("a", Priority.HIGH) == 100 + OFFSET[Priority.HIGH]
    assert turns.next("a", Priority.HIGH) < turns.next("b")


def test_low_waits_behind_what_its_tenant_has_waiting_and_a_hundred_rounds_more() -> None:
    turns = Turns(100)
    assert [turns.next("a") for _ in range(3)] == [100, 101, 102]
    assert turns.next("a", Priority.LOW) == 103 + OFFSET[Priority.LOW]
    assert turns.next("a") == 103  # and does not push back what comes after it


def test_low_is_served_though_normal_jobs_keep_coming() -> None:
    turns = Turns(0)
    low = turns.next("a", Priority.LOW)
    rounds = 0
    while (normal := turns.next("b")) < low:
        turns.served(normal)
        rounds += 1
    assert rounds <= OFFSET[Priority.LOW]


def test_looking_ahead_gives_no_place_out() -> None:
    turns = Turns(100)
    assert turns.next("a") == 100
    assert turns.foreseen(["a", "b", "a"]) == [101, 100, 102]
    assert turns.foreseen([]) == []
    assert turns.next("a") == 101


def test_whoever_has_nothing_waiting_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fairness, "MAX_FLOWS", 2)
    turns = Turns(0)
    turns.next("a")
    turns.next("b")
    turns.served(10)
    assert [turns.next("c"), turns.next("d")] == [10, 10]
    assert set(turns._last) == {("c", Priority.NORMAL), ("d", Priority.NORMAL)}


def test_whoever_has_jobs_waiting_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fairness, "MAX_FLOWS", 2)
    turns = Turns(0)
    for tenant in "abc":
        turns.next(tenant)
    assert [turns.next(tenant) for tenant in "abcd"] == [1, 1, 1, 0]
