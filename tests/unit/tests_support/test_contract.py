import pytest

from tests.support.contract import Conversation, contract

PONG = {"type": "pong", "timestamp": 1.5}
STEPS = {"action": "steps", "id": "r1", "payload": {"steps": 2}}
COMPLETE = {
    "type": "complete",
    "request_id": "r1",
    "job_id": "j1",
    "attempt": 1,
    "seq": 3,
    "success": True,
    "result": {"say": "", "attempt": 1},
    "chunks": 0,
    "timestamp": 1.5,
}


@pytest.fixture
def conversation() -> Conversation:
    return Conversation(contract())


def test_what_the_contract_allows_passes(conversation: Conversation) -> None:
    conversation.say(STEPS)
    conversation.note(STEPS)
    conversation.hear(COMPLETE)
    conversation.hear({**PONG, "of a later version": 1})
    conversation.check()


@pytest.mark.parametrize(
    "frame",
    [
        {**PONG, "timestamp": "now"},
        {"type": "pong"},
        {**COMPLETE, "seq": -1},
        {**COMPLETE, "job_id": None},
        {"type": "hello", "timestamp": 1.5},
        {"timestamp": 1.5},
        {"type": "cancel", "request_id": "r1"},
    ],
)
def test_a_frame_that_breaks_the_contract_is_a_fault(frame: dict[str, object], conversation: Conversation) -> None:
    conversation.hear(frame)
    with pytest.raises(AssertionError):
        conversation.check()


def test_a_result_is_held_against_that_of_its_action(conversation: Conversation) -> None:
    conversation.note({"action": "generate_report", "id": "r1"})
    conversation.hear(COMPLETE)
    with pytest.raises(AssertionError, match="generate_report"):
        conversation.check()


@pytest.mark.parametrize(
    "frame",
    [
        {**STEPS, "payload": {"steps": 0}},
        {**STEPS, "id": "no id"},
        {"type": "cancel"},
        {"type": "hello"},
        {"type": "resume", "requests": [], "connection_id": "c"},
    ],
)
def test_a_client_says_nothing_else_unnoticed(frame: dict[str, object], conversation: Conversation) -> None:
    with pytest.raises(AssertionError):
        conversation.say(frame)


def test_an_action_that_is_not_known_is_called_as_any(conversation: Conversation) -> None:
    conversation.say({"action": "nobodys.action", "payload": 1})
