"""A node that is silent."""

import asyncio

from streamer.client import Session, connect
from tests.integration.client.fake_clock import FakeClock
from tests.integration.client.fake_node import WELCOME, FakeNode, response, session_with_node
from tests.support.until import until

PING = {"type": "ping"}
PONG = {"type": "pong", "timestamp": 1.0}


async def gives_a_sign(session: Session, node: FakeNode) -> None:
    """Answers the heartbeat, and returns when that was read."""
    assert await node.next() == PING
    await node.say(PONG)
    call = asyncio.create_task(session.call("echo", id="r"))
    await node.next()
    await node.say(response("r", 1))
    await call


async def test_a_silent_node_is_asked_for_a_sign_of_life_and_given_time() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        await clock.after(20.0)
        await gives_a_sign(session, node)
        for _ in range(3):
            await clock.after(10.0)  # that would have been the time to give one
            await clock.after(10.0)  # twenty seconds since it did
            await gives_a_sign(session, node)
        assert len(node.sockets) == 1


async def test_a_node_that_says_something_is_not_asked() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        await until(lambda: clock.is_slept(20.0))
        clock.time += 15.0
        call = asyncio.create_task(session.call("echo", id="r"))
        await node.next()
        await node.say(response("r", 1))
        await call
        await clock.after(5.0)
        await until(lambda: clock.is_slept(15.0))
        assert node.heard.empty()


async def test_a_node_that_gives_no_sign_is_left_and_the_request_goes_on() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        call = asyncio.create_task(session.call("echo", id="r"))
        request = await node.next()
        await clock.after(20.0)
        assert await node.next() == PING
        await clock.after(10.0)
        await node.joined(2)
        assert node.sockets[0].close_code == 1006
        await node.resumed()
        assert await node.next() == request
        await node.say(response("r", 1))
        assert await call == 1


async def test_a_node_that_states_no_heartbeat_may_be_silent() -> None:
    clock = FakeClock()
    async with (
        FakeNode(first=WELCOME | {"heartbeat_ms": 0}).running() as node,
        connect(node.url, clock=clock) as session,
    ):
        call = asyncio.create_task(session.call("echo", id="r"))
        await node.next()
        await node.say(response("r", 1))
        await call
        assert clock.sleeping == []
