"""The charts of the operator's view in Chromium: by pointer, by keyboard, as a table."""

from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Page, expect

from tests.support.console import visitor
from tests.support.operator_page import ORIGIN, ScriptedNode, points

expect.set_options(timeout=10_000)
pytestmark = pytest.mark.browser


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with visitor(ORIGIN, timezone_id="UTC") as ann:
        yield ann.page


@pytest.fixture
def streamer() -> ScriptedNode:
    return ScriptedNode()


async def test_a_chart_is_read_by_keyboard(page: Page, streamer: ScriptedNode) -> None:
    streamer.history = points(4, 8, 16)
    await streamer.open(page)
    depth = page.get_by_role("slider", name="Queue depth: moment")
    await expect(depth).to_have_attribute("aria-valuetext", "08:00:00: waiting 116, delayed 1, dead 2")
    await depth.focus()
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ArrowLeft")
    await expect(depth).to_have_attribute("aria-valuetext", "07:59:45: waiting 108, delayed 1, dead 2")
    await expect(page.locator(".tip:visible")).to_have_text("07:59:45waiting 108delayed 1dead 2")
    await page.keyboard.press("Home")
    await expect(depth).to_have_attribute("aria-valuenow", "0")
    await page.keyboard.press("End")
    await expect(depth).to_have_attribute("aria-valuenow", "2")
    await page.keyboard.press("Escape")
    await expect(page.locator(".tip:visible")).to_have_count(0)


async def test_a_chart_is_read_by_pointer(page: Page, streamer: ScriptedNode) -> None:
    streamer.history = points(*range(60))
    await streamer.open(page)
    oldest = page.get_by_role("slider", name="Oldest waiting job: moment")
    box = await oldest.bounding_box()
    assert box
    await oldest.hover(position={"x": box["width"] - 13, "y": 40})
    await expect(page.locator(".tip:visible")).to_have_text("08:00:00oldest 3 min")
    await oldest.hover(position={"x": 46, "y": 40})
    await expect(page.locator(".tip:visible")).to_have_text("07:45:15oldest 0 s")
    await expect(oldest.locator("circle")).to_have_count(1)
    await page.mouse.move(0, 0)
    await expect(page.locator(".tip:visible")).to_have_count(0)


async def test_axes_have_round_numbers_and_units(page: Page, streamer: ScriptedNode) -> None:
    streamer.history = points(0, 30, 100)
    await streamer.open(page)
    await expect(page.get_by_role("slider", name="Oldest waiting job: moment").locator("text")).to_have_text(
        [
            "0 min",
            "2 min",
            "4 min",
            "6 min",
            "8 min",
            "08:00",
            "\N{MINUS SIGN}5 min",
            "\N{MINUS SIGN}10 min",
            "\N{MINUS SIGN}15 min",
        ]
    )
    await expect(page.get_by_role("slider", name="Queue depth: moment").locator("text").nth(4)).to_have_text("200")
    await expect(page.get_by_role("figure", name="Connections")).to_contain_text("Connections (all nodes)")


async def test_a_chart_of_one_queue_has_its_numbers_in_a_table_too(page: Page, streamer: ScriptedNode) -> None:
    streamer.history = points(4, 8)
    await streamer.open(page)
    chart = page.get_by_role("figure", name="Queue depth")
    await chart.get_by_text("As a table").click()
    await expect(chart.get_by_role("row").nth(1)).to_have_text("08:00:0010812")
    await page.get_by_role("combobox", name="Queue").first.select_option("default")
    await expect(chart.get_by_role("row").nth(1)).to_have_text("08:00:00812")


async def test_a_hole_in_the_history_is_a_hole_in_the_line(page: Page, streamer: ScriptedNode) -> None:
    streamer.history = points(1, 2, 3, 4, 5, 6)
    del streamer.history["points"][2:4]
    await streamer.open(page)
    line = await page.locator("path.trace.s0").first.get_attribute("d")
    assert line
    assert line.count("M") == 2


async def test_a_young_node_has_no_history_and_another_keeps_none(page: Page, streamer: ScriptedNode) -> None:
    await streamer.open(page)
    await expect(page.get_by_text("No history yet").first).to_be_visible()
    streamer.refusals["GET /v1/admin/history"] = (404, "NOT_FOUND", "There is no history.")
    await streamer.refreshed(page)
    await expect(page.get_by_role("heading", name="Last 15 minutes")).to_be_hidden()
    await expect(page.locator(".freshness")).to_have_attribute("data-state", "live")
