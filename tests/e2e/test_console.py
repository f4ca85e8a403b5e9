"""The console in Chromium, from signing in to a dead letter that runs after all."""

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Locator, expect

from tests.conftest import STORES
from tests.support.console import Visitor, visitor
from tests.support.switch import Switch
from tests.support.system import System

NODE: Final = {
    "STREAMER_CONSOLE": "true",
    "STREAMER_DEV_TOKENS": "true",
    "STREAMER_ACTIONS": "tests.support.press",
}
IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
WORKER: Final = {"STREAMER_ACTIONS": "tests.support.press"}

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("engine", STORES[:1], indirect=True)]


@pytest.fixture
async def switch(streamer: System) -> AsyncIterator[Switch]:
    """What stands before the one node, and can cut its connections."""
    node = await streamer.node(**NODE)
    async with Switch([await node.url()]) as switch:
        yield switch


@pytest.fixture
async def ann(switch: Switch) -> AsyncIterator[Visitor]:
    async with visitor(switch.url) as ann:
        yield ann


async def test_the_story_of_a_booklet(streamer: System, switch: Switch, ann: Visitor) -> None:
    workers = [await streamer.worker(**WORKER), await streamer.worker(**WORKER)]
    await ann.sign_in()

    card = await ann.call("print_booklet", "booklet", title="Moby-Dick")
    await expect_halfway(card)

    (await streamer.owner_of("booklet", workers)).kill()
    await expect(card).to_contain_text("attempt 2")
    await expect_halfway(card)

    (node,) = switch.targets
    switch.point_to([])
    switch.cut()
    await expect(ann.indicator).to_contain_text("reconnecting")
    switch.point_to([node])
    await expect(ann.indicator).to_contain_text("connected to")
    await expect(card).to_have_attribute("data-status", "running")

    (streamer.runs / "paper").touch()
    await expect(card).to_have_attribute("data-status", "done")
    await expect(card.get_by_role("progressbar")).to_have_js_property("value", 100)
    await expect(card).to_contain_text("6 pieces of output")
    await expect(card).to_contain_text('"attempt": 2')
    ann.check()


async def expect_halfway(card: Locator) -> None:
    """Three of six pages are printed, and there is no paper."""
    await expect(card.get_by_role("progressbar")).to_have_js_property("value", 50)
    await expect(card).to_contain_text("3 pieces of output")
