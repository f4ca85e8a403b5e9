"""The operator's view in Chromium, before a node and a worker as they are."""

from typing import Final

import pytest
from playwright.async_api import expect

from tests.conftest import STORES
from tests.support.console import visitor
from tests.support.system import System

NODE: Final = {"STREAMER_CONSOLE": "true", "STREAMER_DEV_TOKENS": "true", "STREAMER_ACTIONS": "tests.support.press"}
WORKER: Final = {"STREAMER_ACTIONS": "tests.support.press"}

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("engine", STORES[:1], indirect=True)]


async def test_an_operator_stops_what_runs_mends_what_died_and_purges_the_letter(streamer: System) -> None:
    url = await (await streamer.node(**NODE)).url()
    await streamer.worker(**WORKER)
    async with visitor(url) as ann:
        await ann.sign_in()
        printing = await ann.call("print_booklet", "printed", title="Moby-Dick")
        await expect(printing).to_contain_text("3 pieces of output")
        for name in ("first", "second"):
            await expect(await ann.call("bind_booklet", name)).to_have_attribute("data-status", "failed")

        operator = ann.page.locator("#operator")
        await ann.page.get_by_role("tab", name="Operator").click()
        running = operator.get_by_role("row").filter(has_text="print_booklet")
        await expect(running.get_by_role("progressbar")).to_have_js_property("value", 50)
        await running.get_by_role("button", name="Cancel").click()
        await ann.page.get_by_role("dialog").get_by_role("button", name="Cancel the job").click()
        await expect(operator.get_by_text("Nothing runs.")).to_be_visible()

        (streamer.runs / "glue").touch()
        letters = operator.get_by_role("row").filter(has_text="NO_GLUE")
        await letters.first.get_by_role("button", name="Redrive").click()
        await expect(operator.get_by_text("Redriven as")).to_be_visible()
        await expect(letters).to_have_count(1)
        await letters.get_by_role("button", name="Purge").click()
        await ann.page.get_by_role("dialog").get_by_role("button", name="Purge").click()
        await expect(operator.get_by_text("There are no dead letters.")).to_be_visible()

        connections = operator.get_by_role("region", name="Connections", exact=True)
        await connections.get_by_role("combobox", name="Tenant").fill("acme")
        await connections.get_by_role("button", name="List connections").click()
        await expect(connections.get_by_role("row")).to_have_count(2)
        await ann.page.get_by_role("tab", name="Requests", exact=True).click()
        await expect(printing).to_have_attribute("data-status", "cancelled")
        ann.check()
