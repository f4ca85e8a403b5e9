from collections.abc import Mapping
from typing import Any

import orjson
import pytest

from app.delivery import Deliveries, read
from app.hub import Hub
from streamer.telemetry.metrics import Metrics

META: Mapping[str, Any] = {"c": ["n1.a"], "j": "j1", "t": "t1", "u": "ann", "a": 2, "s": 3, "k": "progress", "at": 7.5}


def body(*metas: Mapping[str, Any]) -> bytes:
    return b"\n".join(line for meta in metas for line in (orjson.dumps(meta), b"{}"))


def without(name: str) -> Mapping[str, Any]:
    return {key: value for key, value in META.items() if key != name}


def test_a_frame_is_read_with_what_must_be_known_to_judge_it() -> None:
    ((delivery, encoded_at),) = read(body({**META, "p": 20.0, "h": 4}))
    frame = delivery.frame
    assert (delivery.connections, delivery.job_id, delivery.tenant, delivery.user) == (("n1.a",), "j1", "t1", "ann")
    assert (frame.kind, frame.position, frame.percentage, frame.chunks, frame.body) == (
        "progress",
        (2, 3),
        20.0,
        4,
        b"{}",
    )
    assert encoded_at == 7.5


def test_who_is_not_named_is_who_was_named_before() -> None:
    other = {**META, "c": ["n1.b", "n1.c"]}
    assert [delivery.connections for delivery, _ in read(body(META, without("c"), other, without("c")))] == [
        ("n1.a",),
        ("n1.a",),
        ("n1.b", "n1.c"),
        ("n1.b", "n1.c"),
    ]


@pytest.mark.parametrize(
    "call",
    [
        body(without("c")),  # nobody was named before
        body(META, {**META, "k": "gossip"}),
        body(META, without("j")),
        body(META, {**META, "a": None}),
        body(META) + b"\n{}",  # half a pair
        body(META) + b"\n[]\n{}",
    ],
)
def test_what_is_no_such_call_is_refused_before_anybody_gets_a_frame(call: bytes) -> None:
    class Deaf(Hub):
        def deliver(self, *_: Any) -> list[str]:
            raise AssertionError("a frame was handed over")

    metrics = Metrics()
    with pytest.raises((ValueError, KeyError, TypeError)):
        Deliveries(Deaf(metrics), metrics).hand_over(call)


def test_a_call_without_frames_is_one() -> None:
    metrics = Metrics()
    assert Deliveries(Hub(metrics), metrics).hand_over(b"") == {"gone": []}
    assert Deliveries(Hub(metrics), metrics).hand_over(body(META, META)) == {"gone": ["n1.a"]}
