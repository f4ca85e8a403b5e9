"""A real Chromium, driven by Playwright."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from playwright.async_api import Browser, async_playwright

PATH: Final = os.environ.get("STREAMER_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS: Final = (
    "--no-sandbox",  # in a container there is none
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
)


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """A browser of one's own, gone at the end with all its pages."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=PATH, args=ARGUMENTS)
        try:
            yield browser
        finally:
            await browser.close()
