"""The scenes that the README and the documentation show; `make screenshots` takes their pictures anew."""

import math
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.async_api import expect

from tests.conftest import STORES
from tests.support.console import Visitor, visitor
from tests.support.system import System

PRESS: Final = {"STREAMER_ACTIONS": "tests.support.press"}
NODE: Final = {**PRESS, "STREAMER_CONSOLE": "true", "STREAMER_DEV_TOKENS": "true"}
IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
POINTS: Final = 60
TAKE: Final = os.environ.get("STREAMER_SCREENSHOTS") == "1"

expect.set_options(timeout=20_000)
pytestmark = [pytest.mark.browser, pytest.mark.parametrize("engine", STORES[:1], indirect=True)]


@pytest.fixture
async def ann(streamer: System) -> AsyncIterator[Visitor]:
    """Somebody before a node and two workers, with pages to look at."""
    node = await streamer.node(**NODE)
    await streamer.worker(**PRESS)
    await streamer.worker(**PRESS)
    async with visitor(await node.url(), device_scale_factor=1, reduced_motion="reduce") as ann:
        await ann.sign_in()
        yield ann


async def take(ann: Visitor, name: str) -> None:
    await ann.page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    if TAKE:
        IMAGES.mkdir(exist_ok=True)
        await ann.page.screenshot(path=IMAGES / name)


def history() -> dict[str, Any]:
    """A quarter of an hour, made up, that leads to what the scene has: no test waits so long for a picture."""
    now = time.time()
    return {"step_s": 15, "points": [point(now, step) for step in range(POINTS)]}


def point(now: float, step: int) -> dict[str, Any]:
    way = step / (POINTS - 1)
    tide = max(0.0, math.sin(3 * math.pi * way))
    waiting = round(14 * tide + 2 * tide * math.sin(step))
    queue = {
        "waiting": waiting,
        "delayed": round(3 * math.sin(math.pi * way)),
        "dead": round(3 * way),
        "oldest_age_s": 1.5 * waiting or None,
    }
    counts = {"nodes": 1, "workers": 2, "connections": 1 + round(8 * (1 - way)), "running": 3 + round(5 * tide)}
    return {"at": now - 15 * (POINTS - 1 - step), **counts, "queues": {"default": queue}}


async def test_the_view_of_requests(ann: Visitor) -> None:
    done = await ann.call("process_data", "sales", dataset_id="orders-2026", operation="aggregate", duration_s="0.5")
    await expect(done).to_have_attribute("data-status", "done")
    failed = await ann.call("bind_booklet", "bind-7")
    await expect(failed).to_have_attribute("data-status", "failed")
    running = await ann.call("print_booklet", "booklet-7", title="Moby-Dick")
    await expect(running).to_contain_text("50 %")
    await ann.page.locator("details", has=ann.page.get_by_text("Options", exact=True)).evaluate("it => it.open = false")
    await take(ann, "console.png")


async def test_the_view_of_operators(ann: Visitor) -> None:
    await ann.page.route("**/v1/admin/history", lambda route: route.fulfill(json=history()))
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
