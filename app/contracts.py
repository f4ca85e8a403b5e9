"""`/asyncapi.json` and `/openapi.json`: what this node's actions take and give.

They tell the names of the actions: to everybody where the console is on or STREAMER_CONTRACT_PUBLIC, else to whoever
has a valid token.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app.handshake import Doorkeeper, Hello, Refused
from app.rest import answers
from streamer.contract import asyncapi, openapi
from streamer.contract.write import written
from streamer.registry import Registry
from streamer.settings import Settings

_DOCUMENTS: Final[Mapping[str, Callable[[Registry], Any]]] = {
    "/asyncapi.json": asyncapi.document,
    "/openapi.json": openapi.document,
}


@dataclass(frozen=True, slots=True)
class Document:
    """As it is served; `etag` names these very bytes."""

    body: bytes
    etag: str

    @classmethod
    def of(cls, content: Any) -> "Document":
        body = written(content)
        return cls(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


class Contracts:
    """Makes each document when it is first asked for, which takes some milliseconds, in a thread."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._made: dict[str, Document] = {}  # path -> its document; two first callers may both make it, alike

    async def at(self, path: str) -> Document:
        if path not in self._made:
            self._made[path] = await asyncio.to_thread(self._make, path)
        return self._made[path]

    def _make(self, path: str) -> Document:
        return Document.of(_DOCUMENTS[path](self._registry))


def routes(settings: Settings, registry: Registry, doorkeeper_of: Callable[[Request], Doorkeeper]) -> Sequence[Route]:
    """Both documents, for whom they are for."""
    contracts = Contracts(registry)
    is_public = settings.console or settings.contract_public

    async def serve(request: Request) -> Response:
        if not is_public:
            try:
                await doorkeeper_of(request).admit(Hello.of_call(request.scope, request.state.node.proxies))
            except Refused as refused:
                return answers.turned_away(refused, time.time())
        return _answer(await contracts.at(request.url.path), request.headers.get("if-none-match"))

    return [Route(path, serve, methods=["GET"]) for path in _DOCUMENTS]


def _answer(document: Document, known: str | None) -> Response:
    """Callers keep it, and ask each time whether it has changed."""
    headers = {"etag": document.etag, "cache-control": "no-cache", "vary": "authorization"}
    if known is not None and document.etag in (each.strip().removeprefix("W/") for each in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(document.body, headers=headers, media_type="application/json")
