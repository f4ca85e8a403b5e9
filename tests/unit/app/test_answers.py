import pytest

from app import answers
from app.answers import Answers, asks_the_same
from streamer.protocol import codec
from streamer.protocol.messages import Request

KEY = ("t1", "ann", "r1")


def test_an_answer_is_known_for_a_while() -> None:
    memory = Answers()
    memory.remember(KEY, "question", b"answer", 100.0)
    assert memory.find(KEY, 129.0) == ("question", b"answer")
    assert memory.find(("t2", "ann", "r1"), 129.0) is None
    assert memory.find(KEY, 131.0) == ("question", b"answer")
    assert memory.find(KEY, 162.0) is None


def test_nothing_is_known_longer_than_a_minute() -> None:
    memory = Answers()
    memory.remember(("t1", "ann", "r0"), "question", b"answer", 100.0)
    memory.remember(KEY, "question", b"answer", 129.9)
    assert memory.find(KEY, 190.0) is None
    memory.remember(KEY, "question", b"answer", 200.0)
    assert memory.find(KEY, 1_000.0) is None


def test_a_large_answer_is_not_remembered() -> None:
    memory = Answers()
    memory.remember(KEY, "question", b"x" * (answers.MAX_ANSWER_BYTES + 1), 0.0)
    assert memory.find(KEY, 0.0) is None


def test_the_memory_is_bounded_by_number() -> None:
    memory = Answers()
    for number in range(12_000):
        memory.remember(("t1", "ann", str(number)), "q", b"a", 0.0)
    assert len(memory) <= answers.MAX_ENTRIES
    assert memory.find(("t1", "ann", "11999"), 0.0) is not None


def test_the_memory_is_bounded_by_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_BYTES", 1_000)
    memory = Answers()
    for number in range(100):
        memory.remember(("t1", "ann", str(number)), "q" * 90, b"a" * 10, 0.0)
    assert len(memory) == 10


def test_the_same_question_has_the_same_action_and_payload() -> None:
    question = '{"action":"echo","id":"r1","payload":{"a":1,"b":2}}'

    def again(text: str) -> bool:
        message = codec.parse(text)
        assert isinstance(message, Request)
        return asks_the_same(question, message)

    assert again('{"id":"r1","payload":{"b":2,"a":1},"action":"echo","metadata":{"try":2}}')
    assert not again('{"id":"r1","payload":{"b":2},"action":"echo"}')
    assert not again('{"id":"r1","payload":{"a":1,"b":2},"action":"echo2"}')
