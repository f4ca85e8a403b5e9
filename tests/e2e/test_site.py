"""The documentation site, page by page in a real browser."""

import functools
import http.server
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page, expect

from tests.support import readme
from tests.support.blocks import ROOT
from tests.support.chromium import chromium

pytestmark = [pytest.mark.browser, pytest.mark.timeout(240)]

OPEN_SHADOWS = """
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (init) { return attach.call(this, { ...init, mode: "open" }); };
"""  # the theme puts diagrams where nobody else can look


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does; not a word is said about it."""
    folder = tmp_path_factory.mktemp("site")
    command = (sys.executable, "-m", "mkdocs", "build", "--quiet", "--strict", "--site-dir", str(folder))
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return folder


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    handler = functools.partial(Silent, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


class Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


class Watch:
    """What the pages of a context asked for, and what went wrong in them."""

    def __init__(self, context: BrowserContext) -> None:
        self.hosts: set[str] = set()
        self.faults: list[str] = []
        context.on("request", lambda request: self.hosts.add(request.url.split("/")[2]))
        context.on("weberror", lambda error: self.faults.append(str(error.error)))
        context.on("console", lambda said: self.faults.append(said.text) if said.type == "error" else None)


@pytest.fixture
def told(site: Path) -> Mapping[str, int]:
    """All pages of the site, and how many diagrams their sources have."""
    names = [path.name for path in sorted(site.glob("*.html")) if path.name != "404.html"]
    return {name: (ROOT / "docs" / name).with_suffix(".md").read_text().count("```mermaid") for name in names}


async def test_every_page_is_whole_and_asks_nobody_else(told: Mapping[str, int], address: str) -> None:
    drawn = 0
    async with chromium() as browser:
        context = await browser.new_context()
        await context.add_init_script(OPEN_SHADOWS)
        watch = Watch(context)
        page = await context.new_page()
        for name in told:
            await page.goto(f"{address}/{name}")
            await expect(page.locator("h1")).to_have_count(1)
            drawn += await diagrams(page, told[name])
    assert watch.faults == []
    assert watch.hosts == {address.removeprefix("http://")}
    assert drawn == sum(told.values()) > 0


async def diagrams(page: Page, told: int) -> int:
    """How many are drawn, once all that the page's source has are."""
    await expect(page.locator(".mermaid svg")).to_have_count(told, timeout=20_000)
    await expect(page.get_by_text("Syntax error in text")).to_have_count(0)
    return told


async def test_one_finds_a_setting_by_its_name(address: str) -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(address)
        await page.get_by_role("textbox", name="Search").fill("STREAMER_GRACE_S")
        await page.locator(".md-search-result a[href*='settings.html']").first.click()
        await expect(page.get_by_role("cell", name="STREAMER_GRACE_S", exact=True)).to_be_visible()


async def test_the_diagram_of_the_readme_is_drawn(address: str) -> None:
    async with chromium() as browser:
        page = await browser.new_page()
        await page.goto(f"{address}/queue.html")  # a page that has Mermaid
        drawing = readme.block("drawing").text
        svg = await page.evaluate("(text) => mermaid.render('drawing', text).then((made) => made.svg)", drawing)
    assert svg.startswith("<svg")
