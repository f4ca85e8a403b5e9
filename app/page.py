"""The console: static files at `/`, for people who try things out."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Receive, Scope, Send

from streamer.settings import Settings

FOLDER: Final = Path(__file__).parent / "console"
HEADERS: Final = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class Page:
    """Serves the folder; everything else in it is a 404. No script or style but its own ever runs on it."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._files = StaticFiles(directory=folder, html=True, check_dir=False)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *_RAW_HEADERS]
            await send(message)

        await self._files(scope, receive, send_guarded)


def routes(settings: Settings) -> Sequence[BaseRoute]:
    """The console, and `/console.json`, by which it knows how people sign in here; both need no token."""
    told = {"auth": settings.auth_mode, "dev_tokens": settings.issues_tokens, "version": version("streamer")}

    async def about(_: Request) -> Response:
        return JSONResponse(told, headers=HEADERS)

    return [Route("/console.json", about, methods=["GET"]), Mount("/", Page())]


_RAW_HEADERS: Final = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
