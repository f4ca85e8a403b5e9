from app.limits import Seats, TokenBucket
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
