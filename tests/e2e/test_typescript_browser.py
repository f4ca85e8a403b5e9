"""What of the TypeScript client only a browser can show, in Chromium, before a real node."""

import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.async_api import Page

from streamer.store.revocations import Revocation
from tests.conftest import STORES
from tests.support.chromium import chromium
from tests.support.contract import contract
from tests.support.page import open_page
from tests.support.switch import Switch
from tests.support.system import System
from tests.support.until import until
from tests.support.wire import token

WALK = {"steps": 3, "say": "done"}
LONG_WALK = {"steps": 10_000, "step_s": 0.05}

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("engine", STORES[:1], indirect=True)]

CONNECT = """
async ([url, token]) => {
  const { connect } = await import("/client/index.js");
  window.states = [];
  window.said = [];
  window.session = await connect(url, {
    token,
    onState: (state) => states.push(state),
    onFrame: (direction, frame) => said.push([direction, frame]),
  });
}
"""
LOSE = """
async () => {
  const lost = await submission.result().catch((error) => error);
  return [lost.name, lost.code];
}
"""


@dataclass
class Visitor:
    """Somebody with a page open, whose connection goes through a switch."""

    page: Page
    switch: Switch
    node_url: str
    sockets: list[str] = field(default_factory=list)  # addresses, of all that the page opened

    async def connect(self, bearer: str) -> None:
        await self.page.evaluate(CONNECT, [self.switch.url, bearer])

    async def state(self) -> Any:
        """The newest that the client told."""
        return await self.page.evaluate("states.at(-1)")

    async def is_state(self, name: str) -> None:
        async def told() -> bool:
            return bool((await self.state())["name"] == name)

        await until(told, what=f"the client is {name}")

    async def faults(self) -> Sequence[str]:
        """What of all that was said breaks the contract."""
        said = json.loads(await self.page.evaluate("JSON.stringify(window.said ?? [])"))
        judges = {"sent": contract().fault_in_sent, "received": contract().fault_in_received}
        return [fault for direction, frame in said if (fault := judges[direction](frame))]

    async def no_timer_ends(self) -> None:
        """From now on, in the page; those that would have ended within the hour have."""
        await self.page.clock.pause_at(time.time() + 3_600)


@pytest.fixture
async def visitor(streamer: System) -> AsyncIterator[Visitor]:
    url = await (await streamer.node(STREAMER_CONSOLE="true")).url()
    await streamer.worker()
    async with Switch([url]) as switch, chromium() as browser:
        context = await browser.new_context()
        visitor = Visitor(await open_page(context, switch.url), switch, url)
        visitor.page.on("websocket", lambda socket: visitor.sockets.append(socket.url))
        yield visitor
        assert await visitor.faults() == []


async def test_the_token_is_said_where_no_log_sees_it(visitor: Visitor) -> None:
    await visitor.connect(token())
    assert await visitor.page.evaluate("session.call('echo', {n: 1}).then((answer) => answer.echo)") == {"n": 1}
    assert visitor.sockets == [f"{visitor.switch.url.replace('http', 'ws')}/ws"]


async def test_events_are_read_in_a_loop(visitor: Visitor) -> None:
    await visitor.connect(token())
    types, result = await visitor.page.evaluate(
        """async (walk) => {
          const types = [];
          const submission = session.submit("steps", walk);
          for await (const event of submission) types.push(event.type);
          return [types, await submission.result()];
        }""",
        WALK,
    )
    assert types[0] == "acknowledgment"
    assert "progress" in types
    assert types[-1] == "complete"
    assert result == {"say": "done", "attempt": 1}


async def test_a_signal_cancels_the_request_at_the_server(streamer: System, visitor: Visitor) -> None:
    await visitor.connect(token())
    types, name = await visitor.page.evaluate(
        """async (walk) => {
          const types = [];
          const controller = new AbortController();
          const submission = session.submit("steps", walk, { id: "r1", signal: controller.signal });
          const result = submission.result().catch((error) => error.name);
          for await (const event of submission) {
            types.push(event.type);
            if (event.type === "progress") controller.abort();
          }
          return [types, await result];
        }""",
        LONG_WALK,
    )
    assert name == "AbortError"
    assert "complete" not in types

    async def is_cancelled() -> bool:
        return bool((await streamer.row("r1")).status == "CANCELLED")

    await until(is_cancelled, what="the job is cancelled")


async def test_a_token_that_is_taken_back_is_the_end(streamer: System, visitor: Visitor) -> None:
    await visitor.connect(token())
    await visitor.page.evaluate("(walk) => { window.submission = session.submit('steps', walk); }", LONG_WALK)
    now = time.time_ns() // 1_000_000
    await streamer.store.revocations.revoke(
        Revocation(tenant="acme", user="ann", revoked_ms=now + 1_000, expires_ms=now + 600_000)
    )
    assert await visitor.page.evaluate(LOSE) == ["ConnectionLost", 4500]
    assert (await visitor.state())["name"] == "ended"
    assert (await visitor.state())["code"] == 4500
    assert len(visitor.sockets) == 1


async def test_a_token_of_nobody_opens_nothing(visitor: Visitor) -> None:
    refused = await visitor.page.evaluate(
        """async (url) => {
          const { connect } = await import("/client/index.js");
          return connect(url, { token: "of.no.body" }).then(() => null, (error) => [error.name, error.closeCode]);
        }""",
        visitor.switch.url,
    )
    assert refused == ["HandshakeRefused", 4500]
    assert len(visitor.sockets) == 1


async def test_without_a_network_it_is_away_and_with_it_all_goes_on(visitor: Visitor) -> None:
    await visitor.page.clock.install()
    await visitor.connect(token())
    await visitor.page.evaluate("(walk) => { window.submission = session.submit('steps', walk); }", LONG_WALK)
    known = visitor.switch.passed_on
    await visitor.page.context.set_offline(True)
    visitor.switch.cut()
    await visitor.is_state("away")
    await visitor.page.clock.run_for(60_000)
    await visitor.no_timer_ends()
    await visitor.is_state("away")
    assert visitor.switch.passed_on == known
    await visitor.page.context.set_offline(False)
    await visitor.is_state("connected")
    assert visitor.switch.passed_on == known + 1
    await visitor.page.evaluate("submission.cancel()")
    assert await visitor.page.evaluate("submission.result().catch((error) => error.code)") == "CANCELLED"


RETURNS = {
    "the network is back": "dispatchEvent(new Event('online'))",
    "the page is looked at again": "document.dispatchEvent(new Event('visibilitychange'))",
    "the page is taken out of the cache": "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))",
}


@pytest.mark.parametrize("event", RETURNS.values(), ids=RETURNS.keys())
async def test_who_returns_does_not_wait_for_the_next_try(visitor: Visitor, event: str) -> None:
    await visitor.page.clock.install()
    await visitor.connect(token())
    visitor.switch.point_to([])
    visitor.switch.cut()
    await visitor.is_state("away")
    await visitor.no_timer_ends()
    await visitor.is_state("away")
    visitor.switch.point_to([visitor.node_url])
    await visitor.page.evaluate(event)
    await visitor.is_state("connected")


async def test_who_looks_at_the_page_again_learns_whether_it_still_lives(visitor: Visitor) -> None:
    await visitor.connect(token())
    has_pinged = "said.some(([_, frame]) => frame.type === 'pong')"
    assert not await visitor.page.evaluate(has_pinged)
    await visitor.page.evaluate(RETURNS["the page is looked at again"])
    await until(lambda: visitor.page.evaluate(has_pinged), what="the client pings, and hears")
