"""Watching somebody's job."""

import asyncio

import pytest

from streamer.client import RequestFailed, Unwatched
from tests.integration.client.fake_clock import FakeClock
from tests.integration.client.fake_node import chunk, complete, of_job, refusal, session_with_node
from tests.support.until import until

SUBSCRIBED = {"type": "subscribed", "job_id": "j", "status": "PROCESSING", "attempt": 1, "seq": 3, "timestamp": 1.0}
NOTHING_SEEN = {"attempt": 0, "seq": 0, "chunks": 0}


async def test_the_events_of_a_job_come_under_its_job_id() -> None:
    async with session_with_node() as (session, node):
        submission = session.watch("j")
        assert submission.request_id == "j"
        assert await node.next() == {"type": "subscribe", "job_id": "j", **NOTHING_SEEN}
        await node.say(SUBSCRIBED, chunk("j", 0), of_job("progress", "j", 4, percentage=50), complete("j", 6, "done"))
        assert [event.type async for event in submission] == ["chunk", "progress", "complete"]
        assert await submission == "done"


async def test_only_some_events_are_asked_for_also_after_a_reconnect() -> None:
    async with session_with_node() as (session, node):
        submission = session.watch("j", events=["chunk"])
        assert (await node.next())["events"] == ["chunk"]
        await node.say(SUBSCRIBED, chunk("j", 0, seq=4))
        await until(lambda: submission.chunks == 1)
        await node.cut()
        assert (await node.resumed())["requests"] == []
        again = await node.next()
        assert again == {"type": "subscribe", "job_id": "j", "attempt": 1, "seq": 4, "chunks": 1, "events": ["chunk"]}
        await node.say(SUBSCRIBED, chunk("j", 0, seq=4), chunk("j", 1, seq=5), complete("j", 7, "done", chunks=2))
        assert [event.type async for event in submission] == ["chunk", "chunk", "complete"]


async def test_a_job_that_is_not_there_or_not_for_me_has_failed() -> None:
    async with session_with_node() as (session, node):
        submission = session.watch("j")
        await node.next()
        await node.say(refusal("NOT_FOUND", "j"))
        with pytest.raises(RequestFailed, match="NOT_FOUND"):
            await submission


async def test_a_refusal_for_now_is_for_the_caller_at_first_and_not_after_a_reconnect() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        refused = session.watch("other")
        await node.next()
        await node.say(refusal("STORAGE_ERROR", "other", after_ms=100))
        with pytest.raises(RequestFailed, match="STORAGE_ERROR"):
            await refused
        submission = session.watch("j")
        await node.next()
        await node.say(SUBSCRIBED)
        ping = asyncio.create_task(session.ping())
        await node.say({"type": "pong", "id": (await node.next())["id"]})
        await ping
        await node.cut()
        await node.resumed()
        first = await node.next()
        await node.say(refusal("STORAGE_ERROR", "j", after_ms=100))
        await clock.after(0.1)
        assert await node.next() == first
        await node.say(SUBSCRIBED, complete("j", 7, "done"))
        assert await submission == "done"


async def test_who_stops_watching_says_so_and_gets_no_more() -> None:
    async with session_with_node() as (session, node):
        submission = session.watch("j")
        await node.next()
        await node.say(SUBSCRIBED, chunk("j", 0))
        await until(lambda: submission.chunks == 1)
        submission.unwatch()
        assert await node.next() == {"type": "unsubscribe", "job_id": "j"}
        await node.say(chunk("j", 1), {"type": "unsubscribed", "job_id": "j", "timestamp": 1.0})
        assert [event.type async for event in submission] == ["chunk"]
        with pytest.raises(Unwatched):
            await submission
        await node.cut()
        await node.resumed()
        session.unwatch("j")  # it is not watched any more
        submission.unwatch()
        session.watch("j")
        assert await node.next() == {"type": "subscribe", "job_id": "j", **NOTHING_SEEN}
        session.unwatch("j")
        assert (await node.next())["type"] == "unsubscribe"


async def test_ones_own_request_cannot_be_unwatched() -> None:
    async with session_with_node() as (session, node):
        submission = session.submit("echo", id="r")
        await node.next()
        with pytest.raises(ValueError, match="r is not watched"):
            session.unwatch("r")
        assert not submission.done


async def test_a_cancel_waits_until_the_job_is_found() -> None:
    async with session_with_node() as (session, node):
        cancel = asyncio.create_task(session.watch("j").cancel())
        assert (await node.next())["type"] == "subscribe"
        await node.say(SUBSCRIBED | {"job_id": "another"}, SUBSCRIBED)
        assert await node.next() == {"type": "cancel", "request_id": "j"}
        await node.say(refusal("NOT_FOUND", "j"))
        with pytest.raises(RequestFailed, match="NOT_FOUND"):
            await cancel
