"""A node that asks its clients to leave."""

import asyncio
import logging

import pytest

from tests.integration.client.fake_clock import FakeClock
from tests.integration.client.fake_node import acknowledgment, complete, response, session_with_node
from tests.support.until import until

DRAIN = {"type": "drain", "reason": "deploy", "reconnect_after_ms": [1000, 3000], "deadline_ms": 3250, "timestamp": 1.0}


async def test_it_leaves_in_the_window_and_goes_on_elsewhere(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        submission = session.submit("generate_report", id="r")
        await node.next()
        await node.say(acknowledgment("r"))
        await until(lambda: submission.acknowledged)
        with caplog.at_level(logging.INFO, "streamer.client"):
            await node.say(DRAIN)
            await clock.after(2.0)  # the middle of the window
            assert (await node.resumed("r"))["n"] == 1
        assert clock.windows == [(1.0, 3.0)]
        assert node.sockets[0].close_code == 1000
        assert caplog.messages == ["The node is leaving (deploy). Reconnecting elsewhere."]
        await node.say(complete("r", 2, "done"))
        assert await submission == "done"


async def test_what_is_asked_before_it_leaves_is_still_answered() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        await node.say(DRAIN)
        await until(lambda: clock.is_slept(2.0))
        call = asyncio.create_task(session.call("echo", id="r"))
        await node.next()
        await node.say(response("r", 1))
        assert await call == 1
        assert len(node.sockets) == 1


async def test_it_stays_for_an_inline_answer_and_keeps_what_is_new_for_the_next_node() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        waiting = asyncio.create_task(session.call("echo", id="waiting"))
        await node.next()
        await node.say(DRAIN)
        await clock.after(2.0)
        await until(lambda: clock.is_slept(1.25))  # to the deadline
        new = asyncio.create_task(session.call("echo", id="new"))
        await node.say(response("waiting", 1))
        assert await waiting == 1
        await node.resumed()
        assert (await node.next())["id"] == "new"
        await node.say(response("new", 2))
        assert await new == 2


async def test_at_the_deadline_it_leaves_and_asks_the_next_node() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        call = asyncio.create_task(session.call("echo", id="slow"))
        request = await node.next()
        await node.say(DRAIN)
        await clock.after(2.0)
        await clock.after(1.25)
        await node.resumed()
        assert await node.next() == request
        await node.say(response("slow", 1))
        assert await call == 1


async def test_a_node_that_closes_first_does_not_make_it_come_back_earlier(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "streamer.client")
    clock = FakeClock()
    async with session_with_node(clock=clock) as (_, node):
        await node.say(DRAIN, DRAIN)
        await until(lambda: clock.is_slept(2.0))
        clock.time += 0.5
        await node.socket.close(1012, "deploy")
        await until(lambda: "The connection ended (1012: deploy). Reconnecting." in caplog.messages)
        await clock.after(1.5)
        await node.resumed()
        assert clock.windows == [(1.0, 3.0)]


async def test_the_second_node_may_be_refusing_for_a_while() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (_, node):
        await node.say(DRAIN)
        await until(lambda: clock.is_slept(2.0))
        node.refusals.append((503, "", {"Retry-After": "7"}))
        await clock.after(2.0)
        await clock.after(7.0)
        await node.resumed()


async def test_a_session_that_is_not_to_reconnect_stays_until_the_node_closes() -> None:
    clock = FakeClock()
    async with session_with_node(reconnect=False, clock=clock) as (session, node):
        call = asyncio.create_task(session.call("echo", id="r"))
        await node.next()
        await node.say(DRAIN, response("r", 1))
        assert await call == 1
        assert clock.windows == []
        await node.socket.close(1012, "deploy")
        loss = await until(lambda: session.lost)
        assert loss.code == 1012
