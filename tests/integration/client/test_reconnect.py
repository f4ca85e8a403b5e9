"""A session whose sockets are cut: when it comes back, and when it does not."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from streamer.client import ConnectionLost, HandshakeRefused, Session, connect
from streamer.client.dialogue import ANSWER_S
from streamer.client.requests import Requests
from streamer.protocol.codes import Close, may_reconnect
from tests.integration.client.fake_clock import FakeClock
from tests.integration.client.fake_node import (
    WELCOME,
    FakeNode,
    Refusal,
    acknowledgment,
    complete,
    refusal,
    response,
    session_with_node,
)
from tests.support.until import until

UNAUTHORIZED: Refusal = (401, '{"error": "The token has expired.", "code": "UNAUTHORIZED"}', {})
FORBIDDEN: Refusal = (403, '{"error": "Not this tenant.", "code": "FORBIDDEN"}', {})
BUSY: Refusal = (503, '{"error": "This node is full.", "code": "SERVICE_UNAVAILABLE"}', {"Retry-After": "30"})
CODES = [code for code in Close if code is not Close.TOKEN_EXPIRED]


async def is_served(session: Session, node: FakeNode) -> None:
    """A call goes out and its answer comes in."""
    call = asyncio.create_task(session.call("echo"))
    request = await node.next()
    assert request["type"] == "request"
    await node.say(response(request["id"], "served"))
    assert await call == "served"


async def ended(session: Session) -> ConnectionLost:
    return await until(lambda: session.lost, what="the session ends")


@pytest.mark.parametrize("code", [code for code in CODES if may_reconnect(code)])
async def test_it_comes_back_after_a_close_that_allows_it(code: Close) -> None:
    async with session_with_node() as (session, node):
        await node.socket.close(code)
        await node.joined(2)
        await node.resumed()
        await is_served(session, node)
        assert session.connection_id == "boot.abc"


@pytest.mark.parametrize("code", [code for code in CODES if not may_reconnect(code)])
async def test_a_close_that_is_final_ends_it_and_what_is_open(code: Close) -> None:
    async with session_with_node() as (session, node):
        submission = session.submit("generate_report")
        await node.next()
        await node.socket.close(code, "why")
        with pytest.raises(ConnectionLost) as lost:
            await submission
        assert (lost.value.code, lost.value.reason, lost.value.may_reconnect) == (code, "why", False)
        with pytest.raises(ConnectionLost):
            session.submit("echo")
        assert len(node.sockets) == 1


async def test_it_comes_back_as_often_as_it_takes_and_counts() -> None:
    async with session_with_node() as (session, node):
        for count in (1, 2, 3):
            await node.cut()
            assert await node.resumed() == {
                "type": "resume",
                "connection_id": "boot.abc",
                "n": count,
                "requests": [],
            }
        await is_served(session, node)


async def test_it_is_who_the_server_says_that_it_is() -> None:
    async with session_with_node() as (session, node):
        await node.cut()
        await node.resumed(connection_id="boot.2")
        await until(lambda: session.connection_id == "boot.2")
        await node.cut()
        assert (await node.resumed(connection_id="boot.2"))["connection_id"] == "boot.2"


async def test_what_is_submitted_while_it_is_away_is_sent_once_it_is_known_again() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        node.refusals.append(BUSY)
        node.socket.transport.abort()
        await until(lambda: clock.is_slept(30.0))
        call = asyncio.create_task(session.call("echo", id="later"))
        await clock.after(30.0)
        await node.resumed()
        assert (await node.next())["id"] == "later"
        await node.say(refusal("RATE_LIMITED", "later", after_ms=400))  # the caller did not choose the time
        await clock.after(0.4)
        assert (await node.next())["id"] == "later"
        await node.say(response("later", 1))
        assert await call == 1


async def test_the_first_try_is_in_the_window_of_the_welcome_and_the_later_ones_get_rarer() -> None:
    clock = FakeClock()
    node = FakeNode(first=WELCOME | {"heartbeat_ms": 0, "reconnect": {"min_ms": 200, "max_ms": 3000}})
    async with node.running(), connect(node.url, clock=clock) as session:
        node.refusal = (502, "", {})
        node.socket.transport.abort()
        await clock.after(1.6)  # the middle of the window
        for seconds in (0.5, 1.0, 2.0, 4.0, 8.0, 10.0):
            await clock.after(seconds)
        await until(lambda: clock.is_slept(10.0))
        assert clock.windows == [(0.2, 3.0), *((0.0, high) for high in (1, 2, 4, 8, 16, 20, 20))]
        node.refusal = None
        await clock.after(10.0)
        await node.resumed()
        await is_served(session, node)
        node.socket.transport.abort()
        await clock.after(1.6)  # and again from the beginning
        await node.resumed()


async def test_a_node_that_takes_it_in_and_drops_it_is_no_reason_to_hurry() -> None:
    clock = FakeClock()
    node = FakeNode(first=WELCOME | {"heartbeat_ms": 0, "reconnect": {"min_ms": 0, "max_ms": 1000}})
    async with node.running(), connect(node.url, clock=clock):
        for sockets, seconds in ((1, 0.5), (2, 0.5), (3, 1.0), (4, 2.0)):
            await node.joined(sockets)
            if sockets > 1:
                await node.next()  # its resume, which is not answered
            node.socket.transport.abort()
            await clock.after(seconds)
        await node.resumed()
        assert clock.windows == [(0.0, 1.0), (0.0, 1.0), (0.0, 2.0), (0.0, 4.0)]


async def test_a_node_that_never_says_what_became_of_the_requests_is_left(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    node = FakeNode(first=WELCOME | {"heartbeat_ms": 0, "reconnect": {"min_ms": 0, "max_ms": 1000}})
    async with node.running(), connect(node.url, clock=clock) as session:
        node.socket.transport.abort()
        await clock.after(0.5)
        assert (await node.next())["type"] == "resume"
        await clock.after(ANSWER_S)
        await clock.after(0.5)
        await node.joined(3)
        await node.resumed()
        await is_served(session, node)
    assert "owes an answer (`resumed`" in caplog.text


async def test_a_refusal_that_says_when_to_come_again_is_heeded() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (_, node):
        node.refusals.extend([BUSY, BUSY])
        node.socket.transport.abort()
        await clock.after(30.0)
        await clock.after(30.0)
        await node.resumed()


async def test_it_gives_up_when_it_was_away_for_too_long() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock, give_up_after_s=4) as (session, node):
        submission = session.submit("generate_report")
        await node.next()
        node.refusal = BUSY[0], BUSY[1], {}
        node.socket.transport.abort()
        for seconds in (0.5, 1.0, 2.0):  # 3.5 s, and the next try would be 4 s later
            await clock.after(seconds)
        with pytest.raises(ConnectionLost, match=r"1006: gave up after 4 s") as lost:
            await submission
        assert isinstance(lost.value.__cause__, HandshakeRefused)
        with pytest.raises(ConnectionLost) as again:
            session.submit("echo")
        assert isinstance(again.value.__cause__, HandshakeRefused)


@pytest.mark.parametrize(("refused", "code"), [(UNAUTHORIZED, Close.TOKEN_REJECTED), (FORBIDDEN, Close.FORBIDDEN)])
async def test_a_token_that_is_refused_is_the_end(refused: Refusal, code: Close) -> None:
    async with session_with_node(token="the.jwt") as (session, node):
        submission = session.submit("generate_report")
        await node.next()
        node.refusal = refused
        node.socket.transport.abort()
        with pytest.raises(ConnectionLost) as lost:
            await submission
        assert lost.value.code == code
        assert isinstance(lost.value.__cause__, HandshakeRefused)


async def test_a_forbidden_one_is_the_end_whatever_makes_its_tokens() -> None:
    async with session_with_node(token=lambda: "the.jwt") as (session, node):
        node.refusal = FORBIDDEN
        node.socket.transport.abort()
        assert (await ended(session)).code == Close.FORBIDDEN


class Tokens:
    """Makes tokens 1, 2, 3 and so on."""

    def __init__(self) -> None:
        self.made = 0

    def now(self) -> str:
        self.made += 1
        return f"token-{self.made}"

    async def soon(self) -> str:
        await asyncio.sleep(0)
        return self.now()


def authorizations(node: FakeNode) -> list[str]:
    return [headers["Authorization"] for headers in node.headers]


@pytest.mark.parametrize("kind", ["now", "soon"])
async def test_every_try_has_a_token_of_its_own(kind: str) -> None:
    tokens = Tokens()
    make: Callable[[], str | Awaitable[str]] = getattr(tokens, kind)
    clock = FakeClock()
    async with session_with_node(token=make, clock=clock) as (_, node):
        node.refusals.extend([UNAUTHORIZED, UNAUTHORIZED])
        await node.socket.close(Close.TOKEN_EXPIRED)
        await clock.after(0.5)
        await clock.after(1.0)
        await node.resumed()
        assert authorizations(node) == [f"Bearer token-{number}" for number in (1, 2, 3, 4)]


async def test_an_expired_token_that_cannot_be_renewed_is_the_end() -> None:
    async with session_with_node(token="the.jwt") as (session, node):
        await node.socket.close(Close.TOKEN_EXPIRED, "expired")
        assert (await ended(session)).code == Close.TOKEN_EXPIRED
        assert len(node.headers) == 1


async def test_tokens_that_cannot_be_made_for_a_while_are_waited_for() -> None:
    tokens = Tokens()

    def make() -> str:
        token = tokens.now()
        if tokens.made == 2:
            raise OSError("no route to the issuer")
        return token

    clock = FakeClock()
    async with session_with_node(token=make, clock=clock) as (_, node):
        node.socket.transport.abort()
        await clock.after(0.5)
        await node.resumed()
        assert authorizations(node) == ["Bearer token-1", "Bearer token-3"]


async def test_it_can_be_closed_while_it_is_away() -> None:
    clock = FakeClock()
    async with FakeNode().running() as node:
        async with connect(node.url, clock=clock) as session:
            submission = session.submit("generate_report")
            await node.next()
            node.refusal = BUSY
            await node.socket.close(Close.RESTARTING, "deploy")
            await until(lambda: clock.is_slept(30.0))
        with pytest.raises(ConnectionLost, match="1012: deploy"):
            await submission


async def test_what_is_wished_while_it_is_away_is_said_or_forgotten_later() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        submission, watched = session.submit("generate_report", id="r"), session.watch("j")
        for _ in range(2):
            await node.next()
        await node.say(acknowledgment("r"))
        await until(lambda: submission.acknowledged)
        node.refusals.append(BUSY)
        node.socket.transport.abort()
        await until(lambda: clock.is_slept(30.0))
        cancel, resumed, call = (
            asyncio.create_task(submission.cancel()),
            session.resume("old"),
            asyncio.create_task(session.call("echo", id="given-up")),
        )
        await asyncio.sleep(0)
        watched.unwatch()
        call.cancel()
        await clock.after(30.0)
        assert [entry["request_id"] for entry in (await node.resumed("r", "old"))["requests"]] == ["r", "old"]
        assert await node.next() == {"type": "cancel", "request_id": "r"}
        await node.say(complete("r", 2, "done"), complete("old", 2, "old"))
        assert (await submission, await resumed) == ("done", "old")
        await cancel
        await is_served(session, node)  # and nothing else was said


async def test_a_ping_is_of_this_socket_alone() -> None:
    clock = FakeClock()
    async with session_with_node(clock=clock) as (session, node):
        node.refusals.append(BUSY)
        ping = asyncio.create_task(session.ping())
        await node.next()
        node.socket.transport.abort()
        with pytest.raises(ConnectionLost, match="1006"):
            await ping
        await until(lambda: clock.is_slept(30.0))
        with pytest.raises(ConnectionLost, match="1006"):
            await session.ping()
        await clock.after(30.0)
        await node.resumed()
        await is_served(session, node)


async def test_a_reconnect_is_logged_in_one_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "streamer.client"):
        async with session_with_node() as (_, node):
            await node.socket.close(Close.RESTARTING, "deploy")
            await node.joined(2)
            await node.resumed()
    assert caplog.messages == ["The connection ended (1012: deploy). Reconnecting."]


async def test_a_fault_of_the_client_ends_it_and_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def faulty(*_: object) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr(Requests, "take", faulty)
    async with FakeNode().running() as node:
        connecting = connect(node.url)
        session = await connecting.__aenter__()
        submission = session.submit("echo", id="r")
        await node.next()
        await node.say(response("r", 1))
        with pytest.raises(ConnectionLost):
            await submission
        with pytest.raises(ExceptionGroup) as fault:
            await connecting.__aexit__(None, None, None)
        assert fault.group_contains(RuntimeError, match="a fault")
