"""Outcomes that are kept until they are acknowledged."""

from typing import Any

from streamer.client import Offer, connect
from tests.integration.client.fake_clock import FakeClock
from tests.integration.client.fake_node import WELCOME, FakeNode, complete, refusal, session_with_node
from tests.support.until import until

ENTRY = {"request_id": "r", "job_id": "j", "status": "COMPLETED"}
ACK = {"type": "ack", "request_id": "r"}


def offering(*entries: dict[str, Any]) -> dict[str, Any]:
    return WELCOME | {"inbox": list(entries)}


async def test_a_durable_outcome_is_asked_for_and_acknowledged_only_by_the_caller() -> None:
    async with session_with_node() as (session, node):
        submission = session.submit("generate_report", id="r", options={"durable": True})
        assert (await node.next())["options"] == {"durable": True}
        await node.say(complete("r", 2, "done"))
        assert await submission == "done"
        assert node.heard.empty()
        session.ack("r")
        assert await node.next() == ACK


async def test_what_the_node_offers_is_the_inbox_less_what_was_acknowledged() -> None:
    async with FakeNode(first=offering(ENTRY)).running() as node, connect(node.url) as session:
        assert list(session.inbox) == [Offer("r", "j", "COMPLETED")]
        session.ack("r")
        assert not session.inbox
        assert await node.next() == ACK


async def test_an_acknowledgment_that_the_server_did_not_hear_is_said_again() -> None:
    async with FakeNode(first=offering(ENTRY)).running() as node, connect(node.url) as session:
        session.ack("r")
        await node.next()
        await node.cut()
        await node.resumed()
        assert await node.next() == ACK
        assert not session.inbox
        node.first = WELCOME
        await node.cut()
        await node.resumed()
        assert await node.next() == ACK


async def test_an_acknowledgment_can_wait_for_a_socket() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        node.refusals.append((503, "", {"Retry-After": "30"}))
        node.socket.transport.abort()
        await until(lambda: clock.is_slept(30.0))
        session.ack("r")
        await clock.after(30.0)
        await node.resumed()
        assert await node.next() == ACK


async def test_an_acknowledgment_that_is_refused_for_now_is_said_again() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        session.ack("r")
        await node.next()
        await node.say(refusal("RATE_LIMITED", "r", after_ms=400))
        await clock.after(0.4)
        assert await node.next() == ACK
