"""The console in Chromium, from signing in to a dead letter that runs after all."""

import re
from collections.abc import AsyncIterator
from typing import Final

import pytest
from playwright.async_api import Locator, expect

from tests.conftest import STORES
from tests.support.console import Visitor, visitor
from tests.support.processes import Process
from tests.support.switch import Switch
from tests.support.system import System
from tests.support.until import until

NODE: Final = {
    "STREAMER_CONSOLE": "true",
    "STREAMER_DEV_TOKENS": "true",
    "STREAMER_ACTIONS": "tests.support.press",
}
WORKER: Final = {"STREAMER_ACTIONS": "tests.support.press"}

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("engine", STORES[:1], indirect=True)]


@pytest.fixture
async def node(streamer: System) -> Process:
    return await streamer.node(**NODE)


@pytest.fixture
async def switch(node: Process) -> AsyncIterator[Switch]:
    """What stands before the nodes."""
    async with Switch([await node.url()]) as switch:
        yield switch


@pytest.fixture
async def ann(switch: Switch) -> AsyncIterator[Visitor]:
    async with visitor(switch.url) as ann:
        yield ann


async def test_a_request_outlives_its_worker_and_its_node(
    streamer: System, node: Process, switch: Switch, ann: Visitor
) -> None:
    workers = [await streamer.worker(**WORKER), await streamer.worker(**WORKER)]
    await ann.sign_in()

    card = await ann.call("print_booklet", "booklet", title="Moby-Dick")
    await expect_halfway(card)

    (await streamer.owner_of("booklet", workers)).kill()
    await expect(card).to_contain_text("attempt 2")
    await expect_halfway(card)

    node.kill()
    await expect(ann.indicator).to_contain_text("reconnecting: the connection was lost (1006)")
    await expect(ann.page.locator("#connection-countdown")).to_contain_text(re.compile(r"in \d+ s|now"))
    switch.point_to([await (await streamer.node(**NODE)).url()])
    await expect(ann.indicator).to_contain_text("connected to")
    await expect(card).to_have_attribute("data-status", "running")

    (streamer.runs / "paper").touch()
    await expect(card).to_have_attribute("data-status", "done")
    await expect(card.get_by_role("progressbar")).to_have_js_property("value", 100)
    await expect(card).to_contain_text("6 pieces of output")
    await expect(card).to_contain_text('"attempt": 2')
    ann.check()


async def test_a_page_that_is_opened_anew_takes_up_what_an_earlier_one_sent(streamer: System, ann: Visitor) -> None:
    await streamer.worker(**WORKER)
    await ann.sign_in()
    await expect_halfway(await ann.call("print_booklet", "kept", durable=True, title="Moby-Dick"))

    await ann.open()
    await expect(ann.indicator).to_contain_text("connected to")
    await expect(ann.cards).to_have_count(0)
    await ann.page.get_by_role("tab", name="My requests").click()
    await expect(ann.page.locator("#mine li")).to_contain_text("processing")
    await ann.page.get_by_role("button", name="Resume print_booklet kept").click()
    card = ann.cards.first
    await expect_halfway(card)

    await card.get_by_role("button", name="Cancel").click()
    await expect(card).to_have_attribute("data-status", "cancelled")
    await expect(ann.page.locator("#mine li")).to_contain_text("cancelled")

    await ann.open()
    await ann.page.get_by_role("tab", name="Inbox").click()
    await ann.page.get_by_role("button", name="Resume kept").click()
    await expect(ann.cards.first).to_contain_text("print_booklet")
    await expect(ann.cards.first).to_have_attribute("data-status", "cancelled")
    await ann.page.get_by_role("button", name="Acknowledge kept").click()
    await expect(ann.page.get_by_text("It is empty.")).to_be_visible()

    await ann.open()
    await expect(ann.indicator).to_contain_text("connected to")
    await ann.page.get_by_role("tab", name="Inbox").click()
    await expect(ann.page.get_by_text("It is empty.")).to_be_visible()
    ann.check()


async def test_an_operator_lets_a_dead_letter_run_again(streamer: System, ann: Visitor) -> None:
    await streamer.worker(**WORKER)
    await ann.sign_in()
    card = await ann.call("bind_booklet", "bound")
    await expect(card).to_have_attribute("data-status", "failed")
    await expect(card).to_contain_text("NO_GLUE There is no glue.")

    (streamer.runs / "glue").touch()
    await ann.page.get_by_role("tab", name="Operator").click()
    letter = ann.page.locator("#operator").get_by_role("row").filter(has_text="bind_booklet")
    await letter.get_by_role("button", name="Redrive").click()
    await expect(ann.page.locator("#operator").get_by_text("Redriven as")).to_be_visible()
    await expect(letter).to_have_count(0)

    await ann.page.get_by_role("tab", name="Requests", exact=True).click()
    await ann.page.get_by_role("tab", name="My requests").click()
    completed = ann.page.locator("#mine li").filter(has_text="completed")
    await expect_after(completed, ann.page.get_by_role("button", name="Refresh"))
    ann.check()


async def expect_after(wanted: Locator, button: Locator) -> None:
    """What comes when somebody presses the button often enough."""

    async def pressed() -> bool:
        await button.click()
        return await wanted.count() > 0

    await until(pressed, timeout_s=20, what="what was looked for")


async def expect_halfway(card: Locator) -> None:
    """Three of six pages are printed, and there is no paper."""
    await expect(card.get_by_role("progressbar")).to_have_js_property("value", 50)
    await expect(card).to_contain_text("3 pieces of output")
