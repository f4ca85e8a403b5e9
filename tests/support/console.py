"""Somebody who uses the console in a browser, and everything that the browser finds fault with meanwhile."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]  # it has no py.typed
from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, expect

from tests.support.chromium import chromium

VIEW: Final[Any] = {"width": 1280, "height": 800}
LOST: Final = re.compile(r"(WebSocket connection to '\S+' failed|Failed to load resource: net::ERR_)")
"""What Chromium itself says of a connection that was cut."""
GRAVE: Final = {"serious", "critical"}


class Visitor:
    """One page with the console open."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.hosts: set[str] = set()  # that were asked for anything
        self.faults: list[str] = []
        page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        page.on("websocket", lambda socket: self.hosts.add(urlsplit(socket.url).netloc))
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("console", self._note)

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not LOST.match(message.text):
            self.faults.append(message.text)

    @property
    def indicator(self) -> Locator:
        return self.page.locator("#connection-state")

    @property
    def cards(self) -> Locator:
        """The requests on the page, the newest first."""
        return self.page.locator(".card")

    async def open(self) -> None:
        await self.page.goto(self.url)

    async def sign_in(self, user: str = "ann", permissions: str = "*") -> None:
        """As this user of acme, with a development token."""
        await self.open()
        await self.page.get_by_label("User").fill(user)
        await self.page.get_by_label("Tenant").fill("acme")
        await self.page.get_by_label("Permissions").fill(permissions)
        await self.page.get_by_role("button", name="Sign in").click()
        await expect(self.indicator).to_contain_text("connected to")

    async def choose(self, action: str) -> None:
        await self.page.get_by_label("Action", exact=True).select_option(action)

    async def call(self, action: str, request_id: str = "", *, durable: bool = False, **fields: str) -> Locator:
        """Calls by the form, and gives the card; an empty id: the page makes one."""
        await self.choose(action)
        for name, value in fields.items():
            await self.page.get_by_label(name).fill(value)
        await self.page.locator("summary", has_text="Options").evaluate("summary => summary.parentElement.open = true")
        await self.page.get_by_label("Request id").fill(request_id)
        await self.page.get_by_label("Durable").set_checked(durable)
        await self.page.get_by_role("button", name="Call", exact=True).click()
        return self.cards.filter(has_text=request_id or action).first

    async def barriers(self) -> list[str]:
        """What axe finds that would keep somebody out, in light and in dark."""
        found = []
        for scheme in ("light", "dark"):
            await self.page.emulate_media(color_scheme=scheme)
            results = await Axe().run(self.page)
            violations = results.response["violations"]
            grave = [each for each in violations if each["impact"] in GRAVE]
            found += [f"{scheme}: {each['id']}: {[node['html'] for node in each['nodes']]}" for each in grave]
        await self.page.emulate_media(color_scheme="light")
        return found

    def check(self) -> None:
        """Nothing was asked of another host, and the browser had nothing to complain about."""
        assert self.hosts == {urlsplit(self.url).netloc}
        assert not self.faults, "\n".join(self.faults)


@asynccontextmanager
async def visitor(url: str, **options: Any) -> AsyncIterator[Visitor]:
    """Somebody with a browser of their own; `options` go to Playwright's `new_context`."""
    async with chromium() as browser:
        context: BrowserContext = await browser.new_context(viewport=VIEW, **options)
        context.set_default_timeout(20_000)
        yield Visitor(await context.new_page(), url)
