"""The scenes that the README and the documentation show; `make screenshots` takes their pictures anew."""

import functools
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import expect

from tests.conftest import STORES
from tests.support.console import Visitor, visitor
from tests.support.system import System
from tests.support.tide import tide
from tests.support.until import until
from tests.support.wire import token

PRESS: Final = {"STREAMER_ACTIONS": "tests.support.press"}
NODE: Final = {**PRESS, "STREAMER_CONSOLE": "true", "STREAMER_DEV_TOKENS": "true"}
IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
TAKE: Final = os.environ.get("STREAMER_SCREENSHOTS") == "1"
POINTS: Final = 60 if TAKE else 1
"""For its picture the charts are full: that takes a quarter of an hour of real work."""

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("engine", STORES[:1], indirect=True)]


@pytest.fixture
async def ann(streamer: System) -> AsyncIterator[Visitor]:
    """Somebody before a node and two workers, with pages to look at."""
    node = await streamer.node(**NODE)
    for _ in range(2):
        await streamer.worker(**PRESS, STREAMER_WORKER_SLOTS="3")
    async with visitor(await node.url(), device_scale_factor=1, reduced_motion="reduce") as ann:
        await ann.sign_in()
        yield ann


async def take(ann: Visitor, name: str) -> None:
    await ann.page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    if TAKE:
        IMAGES.mkdir(exist_ok=True)
        await ann.page.screenshot(path=IMAGES / name)


async def has_history(ann: Visitor) -> bool:
    """Enough of it, and nothing is in the way of what comes next."""
    bearer = {"Authorization": f"Bearer {token('ann', 'acme', 'admin:read')}"}
    answer = await ann.page.request.get(f"{ann.url}/v1/admin/history", headers=bearer)
    points = (await answer.json())["points"]
    return len(points) >= POINTS and points[-1]["running"] == 0


async def test_the_view_of_requests(ann: Visitor) -> None:
    done = await ann.call("process_data", "sales", dataset_id="orders-2026", operation="aggregate", duration_s="0.5")
    await expect(done).to_have_attribute("data-status", "done")
    failed = await ann.call("bind_booklet", "bind-7")
    await expect(failed).to_have_attribute("data-status", "failed")
    running = await ann.call("print_booklet", "booklet-7", title="Moby-Dick")
    await expect(running).to_contain_text("50 %")
    await ann.page.locator("details", has=ann.page.get_by_text("Options", exact=True)).evaluate("it => it.open = false")
    await take(ann, "console.png")


@pytest.mark.timeout(1_200 if TAKE else 120)
async def test_the_view_of_operators(ann: Visitor) -> None:
    async with tide(ann.url):
        await until(functools.partial(has_history, ann), timeout_s=1_000, what=f"{POINTS} points of history")
    for number in (7, 8, 9):
        failed = await ann.call("bind_booklet", f"bind-{number}")
        await expect(failed).to_have_attribute("data-status", "failed")
    for title in ("Moby-Dick", "Typee"):
        running = await ann.call("print_booklet", title.lower(), title=title)
        await expect(running).to_contain_text("50 %")
    await ann.call("generate_report", "report")
    await ann.page.get_by_role("tab", name="Operator").click()
    await expect(ann.page.locator("#operator")).to_contain_text("bind_booklet")
    await take(ann, "operator.png")
