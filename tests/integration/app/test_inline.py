"""Inline requests over a real socket: answers, joins, errors, limits."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.app.actions import gates, runs
from tests.integration.app.house import House, house, token
from tests.support.until import until


async def test_an_echo_is_answered_with_its_id(node: House) -> None:
    client = await node.client()
    answer = await client.ask(action="echo", id="r1", payload={"message": "hi"}, connection_id="ignored")
    assert answer["type"] == "response"
    assert answer["request_id"] == "r1"
    assert answer["success"] is True
    assert answer["data"]["echo"] == {"message": "hi"}


async def test_a_request_without_an_id_gets_one(node: House) -> None:
    client = await node.client()
    answer = await client.ask(action="echo")
    assert len(answer["request_id"]) == 36
    assert answer["data"]["echo"] == {}


async def test_the_context_says_who_asks(node: House) -> None:
    client = await node.client(token("bob", "t2"))
    answer = await client.ask(action="who", request_id="r1", metadata={"traceparent": "00-1"})
    assert answer["data"] == {
        "user": "bob",
        "tenant": "t2",
        "request_id": "r1",
        "metadata": {"traceparent": "00-1"},
        "has_deadline": True,
    }


async def test_a_waiting_request_holds_up_nobody(node: House) -> None:
    client = await node.client()
    await client.send(action="wait", id="slow", payload={"gate": "a"})
    await client.send(action="wait", id="slower", payload={"gate": "b"})
    assert (await client.ask(action="echo", id="quick"))["request_id"] == "quick"
    gates["b"].set()
    assert (await client.next())["request_id"] == "slower"
    gates["a"].set()
    assert (await client.next())["request_id"] == "slow"
    assert (await client.ask(action="echo", id="after"))["request_id"] == "after"


async def test_a_handler_stays_in_the_task_of_its_first_step(node: House) -> None:
    client = await node.client()
    for attempt in range(3):
        assert (await client.ask(action="same_task", id=f"s{attempt}"))["data"] is True
        assert (await client.ask(action="own_timeout", id=f"t{attempt}"))["data"] == "timed out"


async def test_context_variables_of_a_handler_stay_its_own(node: House) -> None:
    client = await node.client()
    await client.send(action="wait", id="w", payload={"gate": "w"})
    for _ in range(2):
        assert (await client.ask(action="context_variable"))["data"] == ""
    gates["w"].set()
    assert (await client.next())["data"] == {"gate": "w"}


async def test_the_same_id_joins_a_run_and_each_asking_is_answered(node: House) -> None:
    clients = [await node.client() for _ in range(2)]
    for client in (*clients, clients[0]):
        await client.send(action="wait", id="same", payload={"gate": "join"})
    await until(lambda: len(node.node.inline) == 1)
    other = await clients[0].ask(action="wait", id="same", payload={"gate": "other"})
    assert other["error"]["code"] == "DUPLICATE_REQUEST"
    assert other["final"] is False
    gates["join"].set()
    answers = [await client.next() for client in (*clients, clients[0])]
    assert [answer["data"] for answer in answers] == [{"gate": "join"}] * 3
    assert runs["join"] == 1


async def test_an_answer_is_repeated_for_the_same_question_of_the_same_user(node: House) -> None:
    client, again, stranger = await node.client(), await node.client(), await node.client(token("bob"))
    first = await client.ask(action="echo", id="r1", payload=1)
    assert await again.ask(action="echo", id="r1", payload=1) == first
    assert (await again.ask(action="echo", id="r1", payload=2))["error"]["code"] == "DUPLICATE_REQUEST"
    assert await stranger.ask(action="echo", id="r1", payload=1) != first


async def test_a_run_survives_the_connection_that_asked(node: House) -> None:
    client = await node.client()
    await client.send(action="wait", id="r1", payload={"gate": "survive"})
    await until(lambda: len(node.node.inline) == 1)
    await client.socket.close()
    await until(lambda: len(node.node.hub) == 0)
    back = await node.client()
    await back.send(action="wait", id="r1", payload={"gate": "survive"})
    gates["survive"].set()
    assert (await back.next())["data"] == {"gate": "survive"}
    assert runs["survive"] == 1


@pytest.mark.parametrize("payload", [{}, {"wait": True}])
async def test_a_fault_of_a_handler_is_told_by_number_only(node: House, payload: dict[str, Any]) -> None:
    client = await node.client()
    answer = await client.ask(action="crash", id="r1", payload=payload)
    assert answer["error"]["code"] == "INTERNAL_ERROR"
    assert answer["final"] is True
    assert len(answer["error"]["details"]["error_id"]) == 16
    assert "hunter2" not in str(answer)


async def test_what_a_handler_wants_to_be_told_is_told(node: House) -> None:
    client = await node.client()
    answer = await client.ask(action="refuse", id="r1")
    assert answer["error"] == {
        "code": "OUT_OF_STOCK",
        "message": "There is none left.",
        "details": {"item": 7},
        "retry": {"retryable": False},
    }
    assert answer["final"] is True


@pytest.mark.parametrize(
    ("action", "payload"),
    [("refuse_badly", {}), ("no_json", {}), ("cancel_itself", {}), ("cancel_itself", {"wait": True})],
)
async def test_what_cannot_be_told_is_an_internal_error(node: House, action: str, payload: dict[str, Any]) -> None:
    client = await node.client()
    assert (await client.ask(action=action, payload=payload))["error"]["code"] == "INTERNAL_ERROR"
    assert await client.is_silent()


async def test_retry_inline_means_later(node: House) -> None:
    client = await node.client()
    answer = await client.ask(action="again", id="r1")
    assert answer["error"]["code"] == "SERVICE_UNAVAILABLE"
    assert answer["error"]["retry"] == {"retryable": True, "after_ms": 2000}


async def test_a_result_keeps_its_promise(node: House) -> None:
    client = await node.client()
    assert (await client.ask(action="typed", payload={"number": 1}))["data"] == {"number": 2}


async def test_a_late_run_is_stopped_and_the_connection_goes_on(node: House) -> None:
    client = await node.client()
    for name in ("r1", "r2"):
        answer = await client.ask(action="wait_long", id=name, payload={"gate": "never"})
        assert answer["error"]["code"] == "TIMEOUT"
        assert answer["error"]["retry"]["retryable"] is True
        assert answer["final"] is True
    assert len(node.node.inline) == 0
    assert await client.is_silent()


async def test_a_handler_that_is_not_to_be_stopped_may_still_answer(node: House) -> None:
    client = await node.client()
    await client.send(action="stubborn", id="r1", payload={"gate": "stubborn"})
    await client.send(action="stubborn", id="r2", payload={"gate": "stubborn"})
    await until(lambda: len(node.node.inline) == 2)
    gates["stubborn"].set()
    assert [(await client.next())["data"] for _ in range(2)] == ["done all the same"] * 2
    assert (await client.ask(action="own_timeout"))["data"] == "timed out"


async def test_a_running_request_is_cancelled(node: House) -> None:
    client = await node.client()
    await client.send(action="wait", id="r1", payload={"gate": "never"})
    answer = await client.ask(type="cancel", request_id="r1")
    assert answer["error"]["code"] == "CANCELLED"
    assert answer["final"] is True
    assert (await client.ask(type="cancel", request_id="nobody"))["error"]["code"] == "NOT_FOUND"


async def test_a_cancel_of_an_answered_request_repeats_the_answer(node: House) -> None:
    client = await node.client()
    answer = await client.ask(action="echo", id="r1")
    assert await client.ask(type="cancel", request_id="r1") == answer


async def test_a_thread_answers_and_tells_how_far_it_is(node: House) -> None:
    client = await node.client()
    progress = await client.ask(action="in_thread", id="r1", payload={"gate": "x"})
    assert (progress["type"], progress["percentage"], progress["request_id"]) == ("progress", 50.0, "r1")
    assert "job_id" not in progress
    assert (await client.next("response"))["data"] == "from a thread"


async def test_progress_is_told_now_and_then_and_the_newest_wins(tmp_path: Path) -> None:
    async with house(tmp_path, progress_live_ms=20) as node:
        client = await node.client()
        await client.send(action="tell", id="r1", payload={"gate": "told"})
        assert (await client.next())["percentage"] == 0.0
        assert (await client.next())["percentage"] == 40.0
        gates["told"].set()
        assert (await client.next("response"))["data"] == "told"


async def test_output_is_sent_in_pieces_before_the_answer(node: House) -> None:
    client = await node.client(v1=True)
    await client.send(action="emit", id="r1", payload={"count": 3})
    pieces = [await client.next() for _ in range(3)]
    assert [(piece["type"], piece["request_id"], piece["index"]) for piece in pieces] == [
        ("chunk", "r1", 0),
        ("chunk", "r1", 1),
        ("chunk", "r1", 2),
    ]
    assert [piece["data"] for piece in pieces] == [{"n": number, "text": "x"} for number in range(3)]
    assert "job_id" not in pieces[0]
    assert (await client.next())["type"] == "response"


async def test_a_plain_client_gets_no_output_in_pieces(node: House) -> None:
    client = await node.client()
    assert (await client.ask(action="emit", id="r1", payload={"count": 3}))["type"] == "response"


async def test_whoever_joins_gets_the_earlier_pieces_first(node: House) -> None:
    first, joined, plain = await node.client(v1=True), await node.client(v1=True), await node.client()
    asked = {"action": "emit", "id": "r1", "payload": {"count": 2, "gate": "join"}}
    await first.send(**asked)
    await until(lambda: runs["join"] == 1)
    for client in (plain, first, joined):
        await client.send(**asked)
    assert [(await joined.next())["index"] for _ in range(2)] == [0, 1]
    gates["join"].set()
    assert [(await joined.next())["type"] for _ in range(2)] == ["chunk", "response"]
    assert [(await first.next())["type"] for _ in range(5)] == ["chunk", "chunk", "chunk", "response", "response"]
    assert (await plain.next())["type"] == "response"
    assert runs["join"] == 1


async def test_a_burst_of_output_is_too_much_for_nobody(node: House) -> None:
    slow, quick = await node.client(v1=True, max_queue=1), await node.client(v1=True)
    asked = {"action": "emit", "id": "r1", "payload": {"count": 200, "size": 4_000, "gate": "burst"}}
    await slow.send(**asked)
    await until(lambda: runs["burst"] == 1)
    assert (await quick.ask(**asked))["index"] == 0
    gates["burst"].set()
    for client in (quick, slow):
        await client.next("response")
        assert [frame.get("index") for frame in client.seen[1:]] == [*range(201), None]


async def test_output_of_a_thread_comes_before_its_answer(node: House) -> None:
    client = await node.client(v1=True)
    await client.send(action="emit_in_thread", id="r1", payload={"count": 3})
    assert [(await client.next())["data"] for _ in range(3)] == [0, 1, 2]
    assert (await client.next())["data"] == "checkpoint None"


async def test_too_much_output_is_for_the_queue(node: House) -> None:
    client = await node.client()
    answer = await client.ask(action="emit", id="r1", payload={"count": 6, "size": 200_000})
    assert answer["error"]["code"] == "RESULT_TOO_LARGE"
    assert 'mode="queued"' in answer["error"]["message"]


async def test_a_handler_that_was_stopped_emits_nothing(node: House) -> None:
    client = await node.client(v1=True)
    answer = await client.ask(action="emit_though_stopped", id="r1", payload={"gate": "never"})
    assert answer["error"]["code"] == "TIMEOUT"


async def test_a_missing_permission_is_forbidden(node: House) -> None:
    refused = await (await node.client()).ask(action="secret", id="r1")
    assert (refused["error"]["code"], refused["final"]) == ("FORBIDDEN", False)
    allowed = await node.client(token(permissions=("secrets:read",)))
    assert (await allowed.ask(action="secret"))["data"] == "42"


async def test_too_many_waiting_requests_are_refused(tmp_path: Path) -> None:
    async with house(tmp_path, max_in_flight=2) as node:
        client = await node.client()
        for name in ("a", "b"):
            await client.send(action="wait", id=name, payload={"gate": "full"})
        refused = await client.ask(action="echo", id="c")
        assert refused["error"]["code"] == "RATE_LIMITED"
        assert refused["error"]["retry"]["after_ms"] > 0
        assert (await client.ask(type="cancel", request_id="a"))["error"]["code"] == "RATE_LIMITED"
        gates["full"].set()
        assert {(await client.next())["request_id"] for _ in range(2)} == {"a", "b"}
        assert (await client.ask(action="echo", id="c"))["type"] == "response"


async def test_too_many_messages_are_refused_with_when_to_come_back(tmp_path: Path) -> None:
    async with house(tmp_path, rate_limit=1) as node:
        client = await node.client()
        answers = [await client.ask(action="echo", id=f"r{number}") for number in range(4)]
        assert [answer["type"] for answer in answers[:2]] == ["response", "response"]
        assert answers[-1]["error"]["code"] == "RATE_LIMITED"
        assert answers[-1]["request_id"] == "r3"
        assert 0 < answers[-1]["error"]["retry"]["after_ms"] <= 1001


async def test_responses_are_counted(node: House) -> None:
    client = await node.client()
    await client.ask(action="echo")
    await client.ask(action="crash", payload={})
    node.node.dispatch.settle()
    text = node.node.metrics.exposition().decode()
    assert 'streamer_messages_total{action="echo",outcome="response"} 1.0' in text
    assert 'streamer_messages_total{action="crash",outcome="error"} 1.0' in text
    assert 'streamer_inline_seconds_count{action="echo"} 1.0' in text
