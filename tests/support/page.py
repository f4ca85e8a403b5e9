"""A page in a browser that has the TypeScript client at hand, and nothing else."""

from pathlib import Path
from typing import Final

from playwright.async_api import BrowserContext, Page, Route

_PROGRAMS: Final = Path(__file__).parents[1] / "e2e" / "typescript"


async def open_page(context: BrowserContext, origin: str) -> Page:
    """A page of the node at `origin`, which must have its console, under the policy of that: it may import
    `/client/index.js`, which the node serves, and `/programs/*`, which are the tests' own."""
    page = await context.new_page()
    await page.route(f"{origin}/programs/*", _answer)
    await page.goto(f"{origin}/client/index.js")  # as text: the console's page would open a connection of its own
    return page


async def _answer(route: Route) -> None:
    program = _PROGRAMS / route.request.url.rpartition("/")[2]
    await route.fulfill(body=program.read_bytes(), content_type="text/javascript")
