"""The console's form for a call: made from the action's schema, and always in step with its JSON."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from playwright.async_api import expect

from tests.conftest import STORES
from tests.support.console import Visitor, visitor
from tests.support.system import System

NODE: Final = {"STREAMER_CONSOLE": "true", "STREAMER_DEV_TOKENS": "true", "STREAMER_ACTIONS": "tests.support.press"}

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("engine", STORES[:1], indirect=True)]


@pytest.fixture
async def ann(streamer: System) -> AsyncIterator[Visitor]:
    node = await streamer.node(**NODE)
    async with visitor(await node.url(), timezone_id="UTC") as ann:
        await ann.sign_in()
        await ann.choose("order")
        yield ann
        ann.check()


async def payload(ann: Visitor) -> Any:
    return json.loads(await ann.page.get_by_label("Payload as JSON").input_value())


async def test_a_person_fills_in_every_kind_of_field(ann: Visitor) -> None:
    page = ann.page
    await page.get_by_label("customer").fill("ann")
    await page.get_by_label("copies").fill("12")
    await page.get_by_label("express").check()
    await page.get_by_label("insured").select_option("true")
    await page.get_by_label("size").select_option("3")
    await page.get_by_label("wanted_on").fill("2026-12-24")
    await page.get_by_label("ordered_at").fill("2026-11-23T10:00:00")
    await page.get_by_role("group", name="address").get_by_label("street").fill("High Street")
    await page.get_by_label("give return_to").check()
    await page.get_by_role("group", name="return_to").get_by_label("street").fill("Low Street")
    await page.get_by_role("button", name="Add to tags").click()
    await page.get_by_label("tags 1").fill("gift")
    await page.get_by_role("button", name="Add to tags").click()
    await page.get_by_role("button", name="Remove item 2 of tags").click()
    await page.get_by_role("button", name="Add to parts").click()
    await page.get_by_role("group", name="parts").get_by_label("street").fill("Back Alley")
    await page.get_by_role("group", name="limits").locator("textarea").fill('{"floor": 3}')

    filled = await payload(ann)
    await page.get_by_role("button", name="Call", exact=True).click()
    await expect(ann.cards.first).to_have_attribute("data-status", "done")

    assert filled == {
        "customer": "ann",
        "copies": 12,
        "weight": 80.5,
        "express": True,
        "insured": True,
        "size": 3,
        "wanted_on": "2026-12-24",
        "ordered_at": "2026-11-23T10:00:00.000Z",
        "address": {"street": "High Street", "number": 1},
        "return_to": {"street": "Low Street", "number": 1},
        "tags": ["gift"],
        "parts": [{"street": "Back Alley", "number": 1}],
        "limits": {"floor": 3},
        "reference": 7,
    }
    understood = json.loads(await ann.cards.first.locator("pre").last.inner_text())
    assert understood == {**filled, "ordered_at": "2026-11-23T10:00:00Z", "note": None}


async def test_what_is_written_as_json_shows_in_the_form(ann: Visitor) -> None:
    page = ann.page
    await page.get_by_text("Payload as JSON", exact=True).first.click()
    order = {"customer": "bo", "copies": 2, "wanted_on": "2027-01-01", "address": {"street": "A", "number": 9}}
    await page.get_by_label("Payload as JSON").fill(json.dumps(order | {"tags": ["x", "y"], "odd": 1}))

    await expect(page.get_by_label("customer")).to_have_value("bo")
    await expect(page.get_by_label("copies")).to_have_value("2")
    await expect(page.get_by_label("tags 2")).to_have_value("y")
    await page.get_by_label("customer").fill("cy")
    assert (await payload(ann))["customer"] == "cy"
    assert (await payload(ann))["odd"] == 1


async def test_the_browser_refuses_what_the_schema_does(ann: Visitor) -> None:
    page = ann.page
    await page.get_by_label("customer").fill("ANN")
    await page.get_by_label("copies").fill("501")
    await page.get_by_role("button", name="Call", exact=True).click()

    assert not await page.get_by_label("customer").evaluate("input => input.checkValidity()")
    assert not await page.get_by_label("copies").evaluate("input => input.checkValidity()")
    await expect(ann.cards).to_have_count(0)


async def test_the_server_judges_what_was_written_as_json(ann: Visitor) -> None:
    page = ann.page
    await page.get_by_text("Payload as JSON", exact=True).first.click()
    text = page.get_by_label("Payload as JSON")
    await text.fill("{")
    await expect(page.get_by_text("The payload is not JSON")).to_be_visible()
    await text.fill('{"customer": 7}')
    await expect(page.get_by_text("The form cannot show all of this.")).to_be_visible()
    await text.press("Control+Enter")

    await expect(ann.cards.first).to_have_attribute("data-status", "failed")
    await expect(ann.cards.first).to_contain_text("VALIDATION_ERROR")


async def test_an_action_that_says_nothing_of_its_payload_is_called_by_json(ann: Visitor) -> None:
    await ann.choose("echo")
    await ann.page.get_by_label("Payload as JSON").fill('["anything"]')
    await ann.page.get_by_role("button", name="Call", exact=True).click()
    await expect(ann.cards.first).to_contain_text('"anything"')


async def test_what_was_filled_in_is_there_when_one_comes_back_to_the_action(ann: Visitor) -> None:
    await ann.page.get_by_label("customer").fill("ann")
    await ann.choose("print_booklet")
    await ann.choose("order")
    await expect(ann.page.get_by_label("customer")).to_have_value("ann")
