"""The console page in a real browser, against `streamer dev`."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Page, Request, expect

from tests.e2e.test_dev import console
from tests.support.chromium import chromium
from tests.support.processes import processes

pytestmark = pytest.mark.browser


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    async with chromium() as browser:
        yield await browser.new_page()


async def test_somebody_calls_the_examples_and_watches(tmp_path: Path, page: Page) -> None:
    requests: list[Request] = []
    faults: list[str] = []
    page.on("request", lambda request: requests.append(request))  # noqa: PLW0108  # playwright notes things on it
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    async with processes(tmp_path) as group:
        url = await console(group.start("dev"))
        await page.goto(url)
        await page.get_by_role("button", name="Connect").click()
        await expect(page.get_by_role("status").first).to_have_attribute("data-state", "open")

        await page.get_by_label("Example").select_option("echo")
        await page.get_by_role("button", name="Call").click()
        card = page.locator("#requests > li").first
        await expect(card).to_contain_text("echo")
        await expect(page.locator("#frames")).to_contain_text('"response"')

        await page.get_by_label("Example").select_option("generate_report")
        await page.get_by_role("button", name="Call").click()
        await expect(page.locator("#requests progress").first).to_have_attribute("value", "100", timeout=20_000)
        await expect(page.locator("#frames")).to_contain_text('"complete"')

    assert faults == []
    assert {request.url.split("/")[2] for request in requests} == {url.split("/")[2]}  # nothing leaves the host
