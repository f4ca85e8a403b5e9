"""What a client of a chaos run makes of its frames."""

from typing import Any

from tests.chaos.errand import Errand, Order


def errand(*output: Any) -> Errand:
    made = Errand("r1", Order(action="stream", payload={}, seconds=2.0, output=output))
    made.unanswered = 1
    return made


def frame(kind: str, seq: int, attempt: int = 1, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "attempt": attempt, "seq": seq, **fields}


ACKNOWLEDGMENT = frame("acknowledgment", 0, 0)


def test_output_over_two_attempts_is_put_together() -> None:
    made = errand("a", "b", "c")
    made.hear(ACKNOWLEDGMENT, 1.0)
    for index, data in enumerate("ab?"):
        made.hear(frame("chunk", index + 1, index=index, data=data), 2.0)
    made.hear(frame("retrying", 9, continues_from=2), 2.0)
    assert made.seen() == {"request_id": "r1", "attempt": 1, "seq": 9, "chunks": 2}
    made.hear(frame("chunk", 1, attempt=2, index=2, data="c"), 2.0)
    made.hear(frame("complete", 2, attempt=2), 4.5)
    assert (made.troubles, made.excess_s, made.is_settled) == ([], 1.5, True)


def test_output_that_differs_from_what_the_handler_made_is_a_trouble() -> None:
    made = errand("a", "b")
    made.hear(ACKNOWLEDGMENT, 1.0)
    made.hear(frame("chunk", 1, index=0, data="a"), 2.0)
    made.hear(frame("complete", 2), 3.0)
    assert made.troubles == ["the output is not what the handler made: ['a']"]


def test_a_gap_is_a_trouble() -> None:
    made = errand()
    made.hear(ACKNOWLEDGMENT, 1.0)
    made.hear(frame("chunk", 2, index=1, data="b"), 2.0)
    assert made.troubles == ["chunk 1 came, and 0 is next"]


def test_it_is_settled_when_every_submit_was_answered_and_every_replay_ended() -> None:
    made = errand()
    made.hear(ACKNOWLEDGMENT, 1.0)
    made.hear(frame("error", 1, error={"code": "CANCELLED"}), 2.0)
    made.unanswered, made.replaying = 1, True
    made.hear(ACKNOWLEDGMENT, 3.0)
    assert not made.is_settled
    made.hear(frame("error", 1, error={"code": "CANCELLED"}), 3.0)
    assert made.is_settled


def test_what_a_lost_connection_owed_is_not_waited_for() -> None:
    made = errand()
    made.hear(ACKNOWLEDGMENT, 1.0)
    made.hear(frame("error", 1, error={"code": "CANCELLED"}), 2.0)
    made.unanswered, made.replaying = 1, True
    made.cut_off()
    assert made.is_settled
