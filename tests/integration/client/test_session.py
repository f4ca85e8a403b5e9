import asyncio
import logging

import pytest

from streamer.client import Completed, ConnectionLost, ProgressEvent, RequestFailed, connect
from tests.integration.client.fake_node import FakeNode, of_job, response, session_with_node
from tests.support.until import until


async def test_call_sends_one_request_and_returns_its_data() -> None:
    async with session_with_node() as (session, node):
        call = asyncio.create_task(
            session.call("echo", {"message": "hi"}, options={"mode": "inline"}, metadata={"traceparent": "00-1"})
        )
        request = await node.next()
        await node.say(response(request["id"], {"echo": "hi"}))
        assert await call == {"echo": "hi"}
        assert request.pop("id")
        assert request == {
            "type": "request",
            "action": "echo",
            "payload": {"message": "hi"},
            "options": {"mode": "inline"},
            "metadata": {"traceparent": "00-1"},
        }


async def test_submit_gives_the_events_of_a_job() -> None:
    async with session_with_node() as (session, node):
        submission = session.submit("generate_report", id="mine")
        assert submission.request_id == (await node.next())["id"] == "mine"
        await node.say(of_job("acknowledgment", "mine", 0, state="PENDING"))
        await node.say(of_job("progress", "mine", 1, percentage=50))
        await node.say(of_job("progress", "somebody else's", 1, percentage=1))
        await node.say(of_job("complete", "mine", 3, result={"url": "u"}, chunks=0))
        events = [event async for event in submission]
        assert [type(event).__name__ for event in events] == ["Acknowledged", "ProgressEvent", "Completed"]
        assert isinstance(events[1], ProgressEvent)
        assert isinstance(events[2], Completed)
        assert await submission == {"url": "u"}


async def test_answers_may_overtake_each_other() -> None:
    async with session_with_node() as (session, node):
        calls = [asyncio.create_task(session.call("echo", number, id=f"r{number}")) for number in range(20)]
        requests = [await node.next() for _ in calls]
        for request in reversed(requests):
            await node.say(response(request["id"], request["payload"]))
        assert await asyncio.gather(*calls) == list(range(20))


async def test_a_failed_request_raises_what_the_server_said() -> None:
    error = {"code": "VALIDATION_ERROR", "message": "no", "details": {"errors": []}, "retry": {"retryable": False}}
    async with session_with_node() as (session, node):
        call = asyncio.create_task(session.call("echo"))
        request = await node.next()
        await node.say({"type": "error", "error": error, "final": False, "request_id": request["id"], "timestamp": 1})
        with pytest.raises(RequestFailed) as failed:
            await call
        assert (failed.value.code, failed.value.details) == ("VALIDATION_ERROR", {"errors": []})


async def test_a_call_that_takes_too_long_is_forgotten() -> None:
    async with session_with_node() as (session, node):
        with pytest.raises(TimeoutError):
            await session.call("echo", id="slow", timeout_s=0.01)
        await node.next()
        await node.say(response("slow", 1))  # nobody waits for it any more
        ping = asyncio.create_task(session.ping())
        await node.say({"type": "pong", "id": (await node.next())["id"]})
        await ping  # and what came before it was read
        again = asyncio.create_task(session.call("echo", id="slow"))
        await node.next()
        await node.say(response("slow", 2))
        assert await again == 2


async def test_an_open_id_cannot_be_used_twice() -> None:
    async with session_with_node() as (session, node):
        session.submit("echo", id="same")
        with pytest.raises(ValueError, match="same is open"):
            session.submit("echo", id="same")
        await node.next()


async def test_a_payload_that_is_not_json_is_refused_here() -> None:
    async with session_with_node() as (session, _node):
        with pytest.raises(TypeError):
            session.submit("echo", {"x": object()}, id="a")
        session.submit("echo", {}, id="a")  # the id was not taken


async def test_cancel_goes_out_after_its_request() -> None:
    async with session_with_node() as (session, node):
        submission = session.submit("generate_report", id="c")
        cancel = asyncio.create_task(submission.cancel())
        assert (await node.next())["type"] == "request"
        assert await node.next() == {"type": "cancel", "request_id": "c"}
        await node.say({"type": "cancelling", "request_id": "c", "status": "PENDING", "timestamp": 1.0})
        await cancel
        error = {"code": "CANCELLED", "message": "gone"}
        await node.say({"type": "error", "request_id": "c", "error": error, "final": True, "timestamp": 1.0})
        with pytest.raises(RequestFailed, match="CANCELLED"):
            await submission


async def test_ping_is_answered_by_its_pong() -> None:
    async with session_with_node() as (session, node):
        ping = asyncio.create_task(session.ping())
        sent = await node.next()
        await node.say({"type": "pong", "id": "another", "timestamp": 1.0})
        await node.say({"type": "pong", "id": sent["id"], "timestamp": 1.0})
        await node.say({"type": "pong", "id": sent["id"], "timestamp": 1.0})
        assert await ping >= 0


async def test_frames_that_say_nothing_to_us_are_ignored(caplog: pytest.LogCaptureFixture) -> None:
    async with session_with_node() as (session, node):
        submission = session.submit("echo", id="e")
        await node.next()
        await node.say({"type": "of a later version"})
        with caplog.at_level(logging.WARNING, "streamer.client"):
            await node.say({"type": "error", "error": {"code": "INVALID_MESSAGE", "message": "what?"}, "final": False})
            await node.say(response("e", 1))
            assert await submission == 1
        assert "INVALID_MESSAGE: what?" in caplog.text


async def test_without_reconnecting_a_lost_connection_is_raised_by_everything_open() -> None:
    async with session_with_node(reconnect=False) as (session, node):
        call = asyncio.create_task(session.call("echo"))
        submission = session.submit("generate_report")
        ping = asyncio.create_task(session.ping())
        for _ in range(3):
            await node.next()
        ping_given_up = asyncio.create_task(session.ping())
        await node.next()
        ping_given_up.cancel()
        await node.socket.close(1012, "restart")
        for waiting in (call, submission, ping):
            with pytest.raises(ConnectionLost) as lost:
                await waiting
            assert (lost.value.code, lost.value.reason) == (1012, "restart")
        with pytest.raises(ConnectionLost):
            session.submit("echo")
        with pytest.raises(ConnectionLost):
            await session.ping()


async def test_without_reconnecting_a_connection_that_is_cut_is_lost() -> None:
    async with session_with_node(reconnect=False) as (session, node):
        submission = session.submit("echo")
        await node.next()
        node.socket.transport.abort()
        with pytest.raises(ConnectionLost) as lost:
            await submission
        assert lost.value.code == 1006
        assert lost.value.may_reconnect


@pytest.mark.parametrize("text", ["not json", "[]"])
async def test_a_server_that_sends_no_frames_is_left(text: str) -> None:
    async with session_with_node() as (session, node):
        submission = session.submit("echo")
        await node.next()
        await node.say(text)
        with pytest.raises(ConnectionLost, match="not a JSON object"):
            await submission
        await node.socket.wait_closed()
        assert node.socket.close_code == 1007


async def test_a_result_over_what_the_client_takes_ends_the_connection() -> None:
    async with session_with_node() as (session, node):
        submission = session.submit("echo", id="big")
        await node.next()
        await node.say(response("big", "x" * (8 * 1024 * 1024)))
        with pytest.raises(ConnectionLost) as lost:
            await submission
        assert lost.value.code == 1009


async def test_leaving_sends_what_was_submitted_and_closes() -> None:
    async with FakeNode().running() as node:
        async with connect(node.url) as session:
            submissions = [session.submit("echo", number) for number in range(50)]
        assert [(await node.next())["payload"] for _ in submissions] == list(range(50))
        await node.socket.wait_closed()
        assert node.socket.close_code == 1000
        for submission in submissions:
            with pytest.raises(ConnectionLost):
                await submission


async def test_closing_ends_although_the_node_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.client.link.FLUSH_S", 0.1)
    async with session_with_node() as (session, node):
        node.socket.transport.pause_reading()
        submissions = [session.submit("echo", "x" * 100_000) for _ in range(100)]
        await session.close()
        with pytest.raises(ConnectionLost):
            await submissions[-1]
        node.socket.transport.abort()
        await node.socket.wait_closed()


async def test_a_session_can_be_closed_before_anything_else() -> None:
    async with FakeNode().running() as node:
        async with connect(node.url) as session:
            pass
        assert session.lost is not None
        await until(lambda: node.sockets and node.socket.close_code == 1000)
