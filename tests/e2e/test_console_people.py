"""Who uses the console: how people sign in, what keeps none of them out, and what becomes of a token that is taken
back."""

import time
from collections.abc import AsyncIterator
from typing import Final

import pytest
from playwright.async_api import expect

from streamer.store.revocations import Revocation
from tests.conftest import STORES
from tests.support.console import Visitor, visitor
from tests.support.system import System
from tests.support.until import until
from tests.support.wire import token

NODE: Final = {"STREAMER_CONSOLE": "true", "STREAMER_DEV_TOKENS": "true", "STREAMER_ACTIONS": "tests.support.press"}
PHONE: Final = {"width": 360, "height": 740}

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("engine", STORES[:1], indirect=True)]


@pytest.fixture
async def ann(streamer: System) -> AsyncIterator[Visitor]:
    node = await streamer.node(**NODE)
    async with visitor(await node.url()) as ann:
        yield ann


async def test_somebody_signs_in_with_a_token_and_out(ann: Visitor) -> None:
    page = ann.page
    await ann.open()
    await page.get_by_text("I have a token").click()
    await page.get_by_label("Token", exact=True).fill(token("bob", "acme"))
    await page.get_by_role("button", name="Use the token").click()
    await expect(page.locator("#account")).to_contain_text("bob · acme")
    await expect(page.get_by_role("tab", name="Operator")).to_be_hidden()
    await expect(page.get_by_label("Action", exact=True).locator("option", has_text="bind_booklet")).to_have_count(0)

    await page.get_by_role("button", name="Sign out").click()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    await page.reload()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    ann.check()


async def test_a_token_that_is_none_is_refused_in_a_sentence(ann: Visitor) -> None:
    await ann.open()
    await ann.page.get_by_text("I have a token").click()
    await ann.page.get_by_label("Token", exact=True).fill("nonsense")
    await ann.page.get_by_role("button", name="Use the token").click()
    await expect(ann.page.get_by_role("alert")).to_contain_text("token")
    await expect(ann.page.get_by_label("Action", exact=True)).to_be_hidden()


async def test_a_token_that_is_taken_back_ends_the_connection_and_one_comes_back_by_hand(
    streamer: System, ann: Visitor
) -> None:
    page = ann.page
    await streamer.worker(STREAMER_ACTIONS="tests.support.press")
    await ann.open()
    await page.get_by_text("I have a token").click()
    await page.get_by_label("Token", exact=True).fill(token("ann", "acme"))
    await page.get_by_role("button", name="Use the token").click()
    card = await ann.call("print_booklet", title="Moby-Dick")
    await expect(card).to_contain_text("50 %")

    now_ms = int(time.time() * 1_000)
    revocation = Revocation(tenant="acme", user="ann", revoked_ms=now_ms + 1_000, expires_ms=now_ms + 600_000)
    await streamer.store.revocations.revoke(revocation)
    await expect(ann.indicator).to_contain_text("(4500)")
    await expect(card).to_have_attribute("data-status", "lost")

    await streamer.store.revocations.lift("acme", user="ann")
    again = page.get_by_role("button", name="Connect again")

    async def connected() -> bool:
        if await again.is_visible():
            await again.click()
        return await page.locator("#connection[data-state=connected]").count() > 0

    await until(connected, timeout_s=20, what="the node reads that the token holds again")
    await expect(card).to_have_attribute("data-status", "running")
    await expect(card).to_contain_text("50 %")


async def test_everything_can_be_reached_by_the_keyboard(ann: Visitor) -> None:
    page = ann.page
    await ann.sign_in()
    await page.get_by_role("tab", name="Requests", exact=True).focus()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Operator")).to_be_focused()
    await expect(page.get_by_role("tabpanel", name="Operator")).to_have_count(1)
    await page.keyboard.press("Home")
    await expect(page.get_by_role("tabpanel", name="Requests", exact=True)).to_be_visible()

    await page.get_by_role("tab", name="Frames").focus()
    await page.keyboard.press("End")
    await expect(page.get_by_role("tab", name="Inbox")).to_be_focused()
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("tab", name="Frames")).to_be_focused()

    await ann.choose("print_booklet")
    await page.get_by_label("title").fill("Moby-Dick")
    await page.get_by_label("title").press("Control+Enter")
    await expect(ann.cards).to_have_count(1)
    await ann.cards.first.get_by_role("button", name="Cancel print_booklet").press("Enter")
    await expect(ann.cards.first).to_have_attribute("data-status", "cancelled")
    await expect(page.locator("#announcer")).to_have_text("print_booklet cancelled")
    ann.check()


async def test_no_view_keeps_anybody_out(streamer: System, ann: Visitor) -> None:
    page = ann.page
    await streamer.worker(STREAMER_ACTIONS="tests.support.press")
    await ann.open()
    await expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    assert await ann.barriers() == []

    await ann.sign_in()
    await ann.call("print_booklet", title="Moby-Dick")
    failed = await ann.call("bind_booklet")
    await expect(failed).to_have_attribute("data-status", "failed")
    await ann.choose("order")
    for tab in ("Frames", "My requests", "Inbox"):
        await page.get_by_role("tab", name=tab).click()
        assert await ann.barriers() == []

    await page.get_by_role("tab", name="Operator").click()
    await expect(page.locator("#operator")).to_contain_text("bind_booklet")
    assert await ann.barriers() == []
    ann.check()


async def test_a_phone_is_wide_enough(ann: Visitor) -> None:
    await ann.page.set_viewport_size(PHONE)  # type: ignore[arg-type]  # it is its ViewportSize
    await ann.sign_in()
    await ann.call("print_booklet", title="Moby-Dick")
    for view in ("Requests", "Operator"):
        await ann.page.get_by_role("tab", name=view, exact=True).click()
        assert await ann.page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    ann.check()
