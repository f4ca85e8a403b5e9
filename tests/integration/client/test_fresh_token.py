"""A token that expires while its socket lives: the client brings another one."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from streamer.client import ConnectionLost, Session, connect
from streamer.client.dialogue import ANSWER_S
from streamer.client.renewal import TRIES
from tests.integration.client.fake_clock import FakeClock
from tests.integration.client.fake_node import WELCOME, FakeNode, acknowledgment, complete, refusal, response
from tests.support.until import until

EXPIRING = {"type": "token_expiring", "expires_at": 2_000.0, "timestamp": 1_940.0}
AUTHENTICATED = {"type": "authenticated", "token_expires_at": 5_000.0, "timestamp": 1_941.0}


class Issuer:
    """Gives the newest token; `fails` makes it raise, `waits` makes it wait until `go` is set."""

    def __init__(self) -> None:
        self.token = "first"
        self.asked = 0
        self.fails = False
        self.go = asyncio.Event()
        self.go.set()

    def now(self) -> str:
        self.asked += 1
        if self.fails:
            raise OSError("the issuer is down")
        return self.token

    async def later(self) -> str:
        await self.go.wait()
        return self.now()


@asynccontextmanager
async def session_of(issuer: Issuer, **options: Any) -> AsyncIterator[tuple[Session, FakeNode]]:
    node = FakeNode(first=WELCOME | {"heartbeat_ms": 0, "token_expires_at": 2_000.0})
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(node.running())
        yield await stack.enter_async_context(connect(node.url, issuer.later, **options)), node


async def is_served(session: Session, node: FakeNode) -> None:
    """A call goes out next, and its answer comes in."""
    call = asyncio.create_task(session.call("echo"))
    request = await node.next()
    assert request["type"] == "request"
    await node.say(response(request["id"], "served"))
    assert await call == "served"


def auth(token: str) -> dict[str, str]:
    return {"type": "auth", "token": token}


async def test_a_fresh_token_goes_to_the_node_and_the_job_goes_on() -> None:
    issuer = Issuer()
    async with session_of(issuer) as (session, node):
        submission = session.submit("generate_report", id="r")
        await node.next()
        await node.say(acknowledgment("r"))
        assert session.token_expires_at == 2_000.0
        issuer.token = "second"
        await node.say(EXPIRING)
        assert await node.next() == auth("second")
        await node.say(AUTHENTICATED, complete("r", 1, "done"))
        assert await submission == "done"
        assert session.token_expires_at == 5_000.0
        assert len(node.sockets) == 1


async def test_it_may_be_renewed_as_often_as_it_takes() -> None:
    issuer = Issuer()
    async with session_of(issuer) as (session, node):
        for token in ("second", "third"):
            issuer.token = token
            await node.say(EXPIRING)
            assert await node.next() == auth(token)
            await node.say(AUTHENTICATED)
            await is_served(session, node)


async def test_a_function_that_is_not_async_will_do() -> None:
    issuer = Issuer()
    async with FakeNode().running() as node, connect(node.url, issuer.now) as session:
        issuer.token = "second"
        await node.say(EXPIRING)
        assert await node.next() == auth("second")
        await node.say(AUTHENTICATED)
        await is_served(session, node)


@pytest.mark.parametrize("token", ["the.only.one", None])
async def test_who_has_no_other_token_sends_nothing(token: str | None) -> None:
    async with FakeNode().running() as node, connect(node.url, token) as session:
        await node.say(EXPIRING)
        await is_served(session, node)
        assert node.heard.empty()


async def test_requests_do_not_wait_for_the_token() -> None:
    issuer = Issuer()
    async with session_of(issuer) as (session, node):
        issuer.go.clear()
        issuer.token = "second"
        await node.say(EXPIRING)
        await is_served(session, node)
        issuer.go.set()
        assert await node.next() == auth("second")
        await is_served(session, node)
        await node.say(AUTHENTICATED)


async def test_an_issuer_that_fails_is_asked_again_and_one_that_repeats_itself_too() -> None:
    issuer, clock = Issuer(), FakeClock()
    async with session_of(issuer, clock=clock) as (session, node):
        issuer.fails = True
        await node.say(EXPIRING)
        await clock.after(0.375)  # the middle of each window
        await until(lambda: issuer.asked == 3)
        issuer.fails = False
        await clock.after(0.75)
        await until(lambda: issuer.asked == 4)
        issuer.token = "second"
        await clock.after(1.5)
        assert await node.next() == auth("second")
        await node.say(AUTHENTICATED)
        await is_served(session, node)
        assert clock.windows == [(0.25, 0.5), (0.5, 1.0), (1.0, 2.0)]


async def test_an_issuer_that_does_not_answer_is_asked_again() -> None:
    issuer, clock = Issuer(), FakeClock()
    async with session_of(issuer, clock=clock, open_timeout_s=0.2) as (_, node):
        issuer.token = "second"
        issuer.go.clear()
        await node.say(EXPIRING)
        await until(lambda: clock.is_slept(0.375))
        issuer.go.set()
        await clock.after(0.375)
        assert await node.next() == auth("second")


async def test_an_issuer_that_has_nothing_new_is_left_alone_in_the_end(caplog: pytest.LogCaptureFixture) -> None:
    issuer, clock = Issuer(), FakeClock()
    async with session_of(issuer, clock=clock) as (session, node):
        await node.say(EXPIRING)
        for seconds in (0.375, 0.75, 1.5, 3.0, *[3.75] * (TRIES - 4)):
            await clock.after(seconds)
        await until(lambda: "no fresh token" in caplog.text)
        assert issuer.asked == 1 + TRIES
        await is_served(session, node)


async def test_a_node_that_cannot_judge_now_is_given_the_same_token_again() -> None:
    issuer, clock = Issuer(), FakeClock()
    async with session_of(issuer, clock=clock) as (session, node):
        issuer.token = "second"
        await node.say(EXPIRING)
        assert await node.next() == auth("second")
        await node.say(refusal("SERVICE_UNAVAILABLE", after_ms=2_000))
        await clock.after(2.0)
        assert await node.next() == auth("second")
        await node.say(AUTHENTICATED)
        await is_served(session, node)


async def test_a_token_that_the_node_does_not_want_is_not_sent_again() -> None:
    issuer, clock = Issuer(), FakeClock()
    async with session_of(issuer, clock=clock) as (session, node):
        issuer.token = "second"
        await node.say(EXPIRING)
        assert await node.next() == auth("second")
        await node.say(refusal("UNAUTHORIZED"))
        await clock.after(0.375)
        await is_served(session, node)
        issuer.token = "third"
        await clock.after(0.75)
        assert await node.next() == auth("third")
        await node.say(AUTHENTICATED)
        await is_served(session, node)


async def test_many_warnings_are_one_renewal() -> None:
    issuer = Issuer()
    async with session_of(issuer) as (session, node):
        issuer.token = "second"
        await node.say(EXPIRING, EXPIRING, EXPIRING)
        assert await node.next() == auth("second")
        await is_served(session, node)
        await node.say(AUTHENTICATED)
        await is_served(session, node)
        assert issuer.asked == 2


async def test_a_refused_request_is_not_the_answer() -> None:
    issuer = Issuer()
    async with session_of(issuer) as (session, node):
        issuer.token = "second"
        await node.say(EXPIRING)
        assert await node.next() == auth("second")
        await node.say(refusal("RATE_LIMITED", "somebody", after_ms=1), AUTHENTICATED)
        await until(lambda: session.token_expires_at == 5_000.0)
        await is_served(session, node)


async def test_what_nobody_asked_for_is_taken_note_of() -> None:
    async with session_of(Issuer()) as (session, node):
        await node.say(AUTHENTICATED)
        await is_served(session, node)
        assert session.token_expires_at == 5_000.0


async def test_too_late_it_comes_back_with_the_new_token_and_the_job_goes_on() -> None:
    issuer, clock = Issuer(), FakeClock()
    async with session_of(issuer, clock=clock) as (session, node):
        submission = session.submit("generate_report", id="r")
        await node.next()
        await node.say(acknowledgment("r"), EXPIRING)
        await until(lambda: clock.is_slept(0.375))
        issuer.token = "second"
        await node.socket.close(4401, "the token has expired")
        await node.joined(2)
        assert node.headers[-1]["Authorization"] == "Bearer second"
        assert [entry["request_id"] for entry in (await node.resumed("r"))["requests"]] == ["r"]
        await node.say(complete("r", 1, "done"))
        assert await submission == "done"
        await until(lambda: not clock.sleeping)  # what was tried for the old socket ended with it
        assert session.token_expires_at == 2_000.0


async def test_the_token_of_the_new_socket_is_the_one_to_be_renewed() -> None:
    issuer, clock = Issuer(), FakeClock()
    async with session_of(issuer, clock=clock) as (session, node):
        issuer.token = "second"
        node.socket.transport.abort()
        await node.joined(2)
        await node.resumed()
        await node.say(EXPIRING)
        await clock.after(0.375)
        await until(lambda: issuer.asked == 4)  # and it was still the second
        issuer.token = "third"
        await clock.after(0.75)
        assert await node.next() == auth("third")
        await node.say(AUTHENTICATED)
        await is_served(session, node)


async def test_a_token_that_is_rejected_ends_it() -> None:
    issuer = Issuer()
    async with session_of(issuer) as (session, node):
        submission = session.submit("generate_report", id="r")
        await node.next()
        issuer.token = "somebody else's"
        await node.say(EXPIRING)
        assert await node.next() == auth("somebody else's")
        await node.socket.close(4500, "another user")
        with pytest.raises(ConnectionLost) as lost:
            await submission
        assert (lost.value.code, lost.value.reason) == (4500, "another user")
        assert session.lost is not None


async def test_who_comes_back_says_first_who_it_was() -> None:
    """A refusal names neither of the two: so the token waits until it is known what became of the requests."""
    issuer, clock = Issuer(), FakeClock()
    async with session_of(issuer, clock=clock) as (session, node):
        node.socket.transport.abort()
        await node.joined(2)
        issuer.token = "second"
        await node.say(EXPIRING)
        assert (await node.next())["type"] == "resume"
        await until(lambda: issuer.asked == 3)
        await node.say(refusal("STORAGE_ERROR", after_ms=1_000))
        assert await node.next() == auth("second")
        await node.say(AUTHENTICATED)
        await clock.after(1.0)
        await node.resumed()
        await is_served(session, node)


async def test_a_node_that_does_not_answer_is_left(caplog: pytest.LogCaptureFixture) -> None:
    issuer, clock = Issuer(), FakeClock()
    async with session_of(issuer, clock=clock) as (session, node):
        issuer.token = "second"
        await node.say(EXPIRING)
        assert await node.next() == auth("second")
        await clock.after(ANSWER_S)
        await node.joined(2)
        await node.resumed()
        await is_served(session, node)
    assert "owes an answer (`authenticated`" in caplog.text
