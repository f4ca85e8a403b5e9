"""What a session says after a reconnect, and what its open requests then notice: nothing."""

import asyncio
import logging
from typing import Any

import pytest

from streamer.client import (
    Chunk,
    Completed,
    Event,
    ProgressEvent,
    RequestFailed,
    Response,
    Retrying,
    Session,
    Submission,
    connect,
)
from tests.integration.client.fake_clock import FakeClock
from tests.integration.client.fake_node import (
    WELCOME,
    FakeNode,
    acknowledgment,
    chunk,
    complete,
    of_job,
    refusal,
    response,
    session_with_node,
)
from tests.support.until import until

FAILED = {"code": "PROCESSING_FAILED", "message": "no", "retry": {"retryable": True, "after_ms": 0}}


def reading(submission: Submission) -> asyncio.Task[list[Event]]:
    async def read() -> list[Event]:
        return [event async for event in submission]

    return asyncio.create_task(read())


def kinds(events: list[Event]) -> list[Any]:
    return [event.index if isinstance(event, Chunk) else event.type for event in events]


async def acknowledged(session: Session, node: FakeNode, request_id: str = "r") -> Submission:
    """A job whose acknowledgment has arrived."""
    submission = session.submit("generate_report", id=request_id)
    await node.next()
    await node.say(acknowledgment(request_id))
    await has_heard(session, node)
    return submission


async def has_heard(session: Session, node: FakeNode) -> None:
    """The client has read what the node said before."""
    ping = asyncio.create_task(session.ping())
    frame = await node.next()
    assert frame["type"] == "ping"
    await node.say({"type": "pong", "id": frame["id"], "timestamp": 1.0})
    await ping


async def test_cut_before_the_acknowledgment_the_request_is_sent_again() -> None:
    async with session_with_node() as (session, node):
        submission = session.submit("generate_report", {"a": 1}, id="r", options={"priority": "high"})
        events = reading(submission)
        sent = await node.next()
        await node.cut()
        assert (await node.resumed())["requests"] == []
        assert await node.next() == sent
        await node.say(acknowledgment("r"), complete("r", 2, "done"))
        assert kinds(await events) == ["acknowledgment", "complete"]


async def test_cut_before_an_inline_answer_the_request_is_sent_again() -> None:
    async with session_with_node() as (session, node):
        events = reading(session.submit("echo", id="r"))
        await node.next()
        half = {"type": "progress", "request_id": "r", "percentage": 50, "timestamp": 1.0}
        await node.say(half)
        await has_heard(session, node)
        await node.cut()
        await node.resumed()
        await node.next()
        await node.say(half, response("r", 1))
        *_, last = found = await events
        assert kinds(found) == ["progress", "progress", "response"]
        assert isinstance(last, Response)


async def test_cut_after_the_acknowledgment_the_job_is_resumed() -> None:
    async with session_with_node() as (session, node):
        submission = await acknowledged(session, node)
        await node.cut()
        assert await node.resumed("r") == {
            "type": "resume",
            "connection_id": "boot.abc",
            "n": 1,
            "requests": [{"request_id": "r", "attempt": 0, "seq": 0, "chunks": 0}],
        }
        await node.say(complete("r", 2, "done"))
        assert await submission == "done"


async def test_cut_between_chunks_they_go_on_and_repeats_are_not_told() -> None:
    async with session_with_node() as (session, node):
        submission = await acknowledged(session, node)
        events = reading(submission)
        await node.say(chunk("r", 0), chunk("r", 1), of_job("progress", "r", 3, percentage=40))
        await has_heard(session, node)
        assert submission.chunks == 2
        await node.cut()
        resumed = await node.resumed("r")
        assert resumed["requests"] == [{"request_id": "r", "attempt": 1, "seq": 3, "chunks": 2}]
        await node.say(chunk("r", 1), of_job("progress", "r", 3, percentage=40), chunk("r", 2, seq=4))
        await node.say(complete("r", 5, "done", chunks=3))
        assert kinds(await events) == ["acknowledgment", 0, 1, "progress", 2, "complete"]
        assert submission.chunks == 3


async def test_cut_while_an_attempt_fails_its_chunks_are_taken_back() -> None:
    async with session_with_node() as (session, node):
        submission = await acknowledged(session, node)
        events = reading(submission)
        await node.say(*(chunk("r", index) for index in range(4)))
        await has_heard(session, node)
        await node.cut()
        await node.resumed("r")
        await node.say(of_job("retrying", "r", 5, error=FAILED, retry_at=2.0, continues_from=2))
        await has_heard(session, node)
        assert submission.chunks == 2
        await node.cut()
        resumed = await node.resumed("r")
        assert resumed["requests"] == [{"request_id": "r", "attempt": 1, "seq": 5, "chunks": 2}]
        await node.say(chunk("r", 2, seq=1, attempt=2), complete("r", 3, "done", chunks=3))
        found = await events
        assert kinds(found) == ["acknowledgment", 0, 1, 2, 3, "retrying", 2, "complete"]
        assert next(event.continues_from for event in found if isinstance(event, Retrying)) == 2


async def test_cut_after_the_outcome_nothing_is_asked_for() -> None:
    async with session_with_node() as (session, node):
        submission = await acknowledged(session, node)
        await node.say(complete("r", 2, "done"))
        assert await submission == "done"
        await node.cut()
        assert (await node.resumed())["requests"] == []
        await node.say(complete("r", 2, "again"))
        await has_heard(session, node)
        assert [event.result async for event in submission if isinstance(event, Completed)] == ["done"]


async def test_cut_before_resumed_it_is_said_again_with_a_greater_count() -> None:
    async with session_with_node() as (session, node):
        submission = await acknowledged(session, node)
        await node.cut()
        unanswered = await node.next()
        await node.cut()
        again = await node.resumed("r")
        assert (unanswered["n"], again["n"]) == (1, 2)
        assert unanswered | {"n": 2} == again
        await node.say(complete("r", 2, "done"))
        assert await submission == "done"


async def test_nothing_else_is_said_before_the_node_knows_who_it_is() -> None:
    async with session_with_node() as (session, node):
        session.submit("echo", id="sent-before")
        await node.next()
        await node.cut()
        resume = await node.next()
        session.submit("echo", id="sent-now")
        session.ack("some-outcome")
        assert node.heard.empty()
        await node.say({"type": "resumed", "connection_id": "boot.abc", "requests": [], "timestamp": 1.0})
        said = [await node.next() for _ in range(3)]
        assert resume["type"] == "resume"
        assert [frame["type"] for frame in said] == ["ack", "request", "request"]
        assert [frame.get("id") for frame in said] == [None, "sent-before", "sent-now"]


async def test_many_are_resumed_five_hundred_at_a_time() -> None:
    async with session_with_node() as (session, node):
        submissions = [session.submit("generate_report", id=f"r{number}") for number in range(1_001)]
        for submission in submissions:
            await node.next()
            await node.say(acknowledgment(submission.request_id))
        await has_heard(session, node)
        await node.cut()
        names = [f"r{number}" for number in range(1_001)]
        first = await node.next()
        assert node.heard.empty()
        assert [entry["request_id"] for entry in first["requests"]] == names[:500]
        entries = [{"request_id": name, "recovered": True} for name in names[:500]]
        await node.say({"type": "resumed", "connection_id": "boot.abc", "requests": entries, "timestamp": 1.0})
        second, third = await node.resumed(*names[500:1000]), await node.resumed(names[1000])
        assert [entry["request_id"] for entry in second["requests"]] == names[500:1000]
        assert [entry["request_id"] for entry in third["requests"]] == names[1000:]
        assert second.keys() == third.keys() == {"type", "requests"}


async def test_a_cancel_that_was_not_answered_is_sent_again() -> None:
    async with session_with_node() as (session, node):
        known, unknown = await acknowledged(session, node, "known"), session.submit("echo", id="unknown")
        cancels = [asyncio.create_task(submission.cancel()) for submission in (known, unknown)]
        for _ in range(3):
            await node.next()
        await node.cut()
        await node.resumed("known")
        said = [await node.next() for _ in range(3)]
        assert said[0] == {"type": "cancel", "request_id": "known"}
        assert (said[1]["type"], said[1]["id"]) == ("request", "unknown")
        assert said[2] == {"type": "cancel", "request_id": "unknown"}
        for request_id in ("known", "unknown"):
            await node.say({"type": "cancelling", "request_id": request_id, "status": "PENDING", "timestamp": 1.0})
        await asyncio.gather(*cancels)


@pytest.mark.parametrize("final", [False, True])
async def test_a_request_that_is_not_there_any_more_has_failed(final: bool) -> None:
    async with session_with_node() as (session, node):
        gone, there = await acknowledged(session, node, "gone"), await acknowledged(session, node, "there")
        await node.cut()
        await node.resumed("there")
        await node.say(refusal("NOT_FOUND", "gone") | {"final": final}, complete("there", 2, "done"))
        with pytest.raises(RequestFailed, match="NOT_FOUND"):
            await gone
        assert await there == "done"


async def test_a_request_that_cannot_be_read_now_is_asked_for_again() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        submission = await acknowledged(session, node)
        await node.cut()
        await node.resumed()
        await node.say(refusal("STORAGE_ERROR", "r", after_ms=700))
        await clock.after(0.7)
        assert await node.resumed("r") == {
            "type": "resume",
            "requests": [{"request_id": "r", "attempt": 0, "seq": 0, "chunks": 0}],
        }
        await node.say(complete("r", 2, "done"))
        assert await submission == "done"


async def test_a_resume_that_cannot_be_answered_now_is_said_again() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        submission = await acknowledged(session, node)
        await node.cut()
        first = await node.next()
        await node.say(refusal("STORAGE_ERROR", after_ms=300))
        await clock.after(0.3)
        assert await node.resumed("r") == first
        await node.say(complete("r", 2, "done"))
        assert await submission == "done"


async def test_a_request_that_is_sent_again_and_refused_for_now_is_sent_once_more() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        call = asyncio.create_task(session.call("echo", id="r"))
        request = await node.next()
        await node.cut()
        await node.resumed()
        assert await node.next() == request
        await node.say(refusal("RATE_LIMITED", "r", after_ms=400))
        await clock.after(0.4)
        assert await node.next() == request
        await node.say(response("r", 1))
        assert await call == 1


async def test_what_was_given_up_meanwhile_is_not_asked_for_again() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        call = asyncio.create_task(session.call("echo", id="r"))
        await node.next()
        await node.cut()
        await node.resumed()
        await node.next()
        await node.say(refusal("RATE_LIMITED", "r", after_ms=400))
        await until(lambda: clock.is_slept(0.4))
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await clock.after(0.4)
        await has_heard(session, node)  # whose ping is the next frame


async def test_a_node_that_does_not_resume_is_taken_as_it_is() -> None:
    async with session_with_node() as (session, node):
        submission, call = await acknowledged(session, node), asyncio.create_task(session.call("echo", id="inline"))
        await node.next()
        node.first = WELCOME | {"connection_id": "boot.2"}
        await node.cut()
        await node.next()
        await node.say(refusal("INVALID_MESSAGE"))
        with pytest.raises(RequestFailed, match="INVALID_MESSAGE"):
            await submission
        assert (await node.next())["id"] == "inline"
        await node.say(response("inline", 1))
        assert await call == 1
        assert session.connection_id == "boot.2"


async def test_chunks_that_have_expired_are_logged_and_the_rest_comes(caplog: pytest.LogCaptureFixture) -> None:
    async with session_with_node() as (session, node):
        submission = await acknowledged(session, node)
        await node.cut()
        with caplog.at_level(logging.WARNING, "streamer.client"):
            await node.resumed("r", recovered=False)
            await node.say(chunk("r", 5), complete("r", 7, "done", chunks=6))
            assert kinds([event async for event in submission]) == ["acknowledgment", 5, "complete"]
        assert caplog.messages == ["some chunks of request r have expired"]


async def test_a_request_of_an_earlier_life_gives_everything() -> None:
    async with session_with_node() as (session, node):
        submission = session.resume("old")
        assert await node.resumed("old") == {
            "type": "resume",
            "requests": [{"request_id": "old", "attempt": 0, "seq": 0, "chunks": 0}],
        }
        await node.say(chunk("old", 0), of_job("progress", "old", 2, percentage=50), complete("old", 4, "done"))
        assert kinds([event async for event in submission]) == [0, "progress", "complete"]
        with pytest.raises(ValueError, match="old is open"):
            (session.resume("old"), session.resume("old"))


async def test_a_request_of_an_earlier_life_may_be_unknown() -> None:
    async with session_with_node() as (session, node):
        submission = session.resume("never-sent")
        await node.resumed()
        await node.say(refusal("NOT_FOUND", "never-sent"))
        with pytest.raises(RequestFailed, match="NOT_FOUND"):
            await submission


async def test_a_request_of_an_earlier_life_can_be_cancelled_once_it_is_found() -> None:
    async with session_with_node() as (session, node):
        cancel = asyncio.create_task(session.resume("old").cancel())
        await node.resumed("old")
        assert await node.next() == {"type": "cancel", "request_id": "old"}
        await node.say({"type": "cancelling", "request_id": "old", "status": "PROCESSING", "timestamp": 1.0})
        await cancel


async def test_a_call_that_was_given_up_is_not_asked_for() -> None:
    async with session_with_node() as (session, node):
        call = asyncio.create_task(session.call("generate_report", id="r"))
        await node.next()
        await node.say(acknowledgment("r"))
        await has_heard(session, node)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await node.cut()
        assert (await node.resumed())["requests"] == []


async def test_progress_is_the_newest_after_a_reconnect() -> None:
    async with session_with_node() as (session, node):
        submission = await acknowledged(session, node)
        await node.say(of_job("progress", "r", 4, percentage=40))
        await has_heard(session, node)
        await node.cut()
        await node.resumed("r")
        await node.say(of_job("progress", "r", 4, percentage=40), of_job("progress", "r", 9, percentage=90))
        await node.say(complete("r", 11, "done"))
        events = [event async for event in submission]
        assert [event.percentage for event in events if isinstance(event, ProgressEvent)] == [40, 90]


async def test_an_id_that_is_none_is_refused_here() -> None:
    async with FakeNode().running() as node, connect(node.url) as session:
        for use in (session.resume, session.watch, session.ack, lambda name: session.submit("echo", id=name)):
            with pytest.raises(ValueError, match="is not an id"):
                use("no spaces")
