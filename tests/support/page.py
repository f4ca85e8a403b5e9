"""A page in a browser that has the TypeScript client at hand, as a page of a user would, and nothing else."""

from pathlib import Path
from typing import Final

from playwright.async_api import BrowserContext, Page, Route

_ROOT: Final = Path(__file__).parents[2]
_FOLDERS: Final = {"client": _ROOT / "app" / "console" / "client", "programs": _ROOT / "tests" / "e2e" / "typescript"}


async def open_page(context: BrowserContext, origin: str) -> Page:
    """A page of that origin: a node lets it open sockets. Its files, `/client/*` and `/programs/*`, come from this
    checkout: the origin is asked for none of them, so it may be one that passes on sockets only."""
    page = await context.new_page()
    await page.route(f"{origin}/**", _answer)
    await page.goto(f"{origin}/")
    return page


async def _answer(route: Route) -> None:
    folder, _, name = route.request.url.split("/", 3)[3].partition("/")
    if folder in _FOLDERS:
        await route.fulfill(body=(_FOLDERS[folder] / name).read_bytes(), content_type="text/javascript")
    else:
        await route.fulfill(body="<!doctype html><title>A page</title>", content_type="text/html")
