from app.limits import Allowance, Allowances, Buckets, Seats, TokenBucket
from streamer.auth import Principal
from streamer.settings import Settings


def test_a_bucket_allows_a_burst_and_then_the_rate() -> None:
    bucket = TokenBucket(10, 0.0)
    assert [bucket.take(0.0) for _ in range(20)] == [0] * 20
    assert bucket.take(0.0) == 101
    assert bucket.take(0.05) == 51
    assert bucket.take(0.1) == 0
    assert bucket.take(0.1) > 0
    assert [bucket.take(1_000.0) for _ in range(21)][-2:] == [0, 101]


def test_no_rate_is_no_limit() -> None:
    bucket = TokenBucket(0, 0.0)
    assert not any(bucket.take(0.0) for _ in range(1_000))


def test_seats_are_counted_by_node_tenant_and_user() -> None:
    seats = Seats(Settings(max_connections=3, max_connections_per_tenant=2, max_connections_per_user=1))
    ann, bob, cid = (Principal(name, "t1", frozenset(), None) for name in ("ann", "bob", "cid"))
    other = Principal("ann", "t2", frozenset(), None)
    assert seats.take(ann)
    assert not seats.take(ann)
    assert seats.take(bob)
    assert not seats.take(cid)
    assert seats.take(other)
    seats.leave(bob)
    assert seats.take(cid)
    assert not seats.take(Principal("dan", "t3", frozenset(), None))


def test_what_was_taken_for_many_is_paid_by_those_who_come_later() -> None:
    bucket = TokenBucket(10, 0.0)
    assert bucket.take(0.0) == 0
    bucket.owe(39)
    assert bucket.take(0.0) == 2_101
    assert bucket.take(2.0) == 101
    assert bucket.take(2.15) == 0
    unlimited = TokenBucket(0, 0.0)
    unlimited.owe(1_000)
    assert unlimited.take(0.0) == 0


def test_less_than_one_message_in_two_seconds_is_a_rate_too() -> None:
    bucket = TokenBucket(0.1, 0.0)
    assert bucket.take(0.0) == 0
    assert bucket.take(0.0) == 10_001
    assert bucket.take(10.0) == 0


def test_all_connections_of_a_user_share_what_the_user_has() -> None:
    allowances = Allowances(Settings(rate_limit=100, rate_limit_per_user=1))
    ann, bob = (Principal(name, "t1", frozenset(), None) for name in ("ann", "bob"))
    first, second, other = (allowances.of(who, 0.0) for who in (ann, ann, bob))
    assert (first.take(0.0), second.take(0.0)) == (0, 0)
    assert (first.take(0.0), second.take(0.0)) == (1_001, 1_001)
    assert other.take(0.0) == 0
    second.owe(1, 0.0)
    assert first.take(0.0) == 2_001


def test_calls_of_a_user_share_what_a_connection_has() -> None:
    allowances = Allowances(Settings(rate_limit=1))
    ann, bob = (Principal(name, "t1", frozenset(), None) for name in ("ann", "bob"))
    assert [allowances.take_call(ann, 0.0) for _ in range(3)] == [0, 0, 1_001]
    assert allowances.take_call(bob, 0.0) == 0
    assert allowances.of(ann, 0.0).take(0.0) == 0


def test_the_longer_wait_is_told() -> None:
    allowance = Allowance(0.5, 0.0, shared=[Buckets(1)], user="ann")
    assert allowance.take(0.0) == 0
    assert allowance.take(0.0) == 2_001


def test_who_goes_on_over_the_limit_is_found_out() -> None:
    allowance = Allowance(20, 0.0)
    assert not any(allowance.is_abused(0.0) for _ in range(200))
    assert allowance.is_abused(0.0)
    assert not Allowance(1, 0.0).is_abused(0.0)
    slow = Allowance(1, 0.0)
    assert [slow.is_abused(0.0) for _ in range(101)].index(True) == 100


def test_buckets_that_are_full_again_are_forgotten() -> None:
    buckets = Buckets(1)
    for number in range(100):
        buckets.of(number, 0.0).take(0.0)
    assert buckets.of(0, 0.5) is buckets.of(0, 0.5)
    buckets.of("new", 0.5)
    assert len(buckets) == 101
    buckets.of("later", 100.0)
    assert len(buckets) == 1


def test_a_table_of_buckets_is_bounded() -> None:
    buckets = Buckets(1, most=3)
    for name in "abcabd":
        buckets.of(name, 0.0).take(0.0)
    assert len(buckets) == 3
    assert [buckets.of(name, 0.0).wait_ms(0.0) > 0 for name in "ab"] == [True, True]
    assert buckets.of("c", 0.0).wait_ms(0.0) == 0
