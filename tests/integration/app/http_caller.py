"""A caller over HTTP, and a reader of its streams."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson

from tests.integration.app.house import House, token
from tests.support.until import PATIENT_S


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def code(self) -> str:
        """Of an `error` frame."""
        assert self.body["type"] == "error", self.body
        return str(self.body["error"]["code"])


async def call(
    node: House, method: str, path: str, body: Any = None, *, bearer: str | None = None, **headers: str
) -> Answer:
    """`bearer` "": none. Headers are named with underscores. A body of bytes is sent as it is."""
    sent = body if isinstance(body, bytes) or body is None else orjson.dumps(body)
    url, named = node.server.url + path, _headers(bearer, headers)
    async with (
        asyncio.timeout(PATIENT_S),
        aiohttp.ClientSession(headers=named) as session,
        session.request(method, url, data=sent) as answer,
    ):
        text = await answer.read()
        told = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status, told, orjson.loads(text) if text else None)


async def post(node: House, body: Any, **how: Any) -> Answer:
    return await call(node, "POST", "/v1/requests", body, **how)


async def get(node: House, path: str = "", **how: Any) -> Answer:
    return await call(node, "GET", f"/v1/requests{path}", **how)


def _headers(bearer: str | None, headers: Mapping[str, str]) -> dict[str, str]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    if bearer != "":
        named["Authorization"] = f"Bearer {token() if bearer is None else bearer}"
    return named


@dataclass(frozen=True, slots=True)
class Event:
    kind: str
    id: str
    frame: dict[str, Any]


class Events:
    """An open stream; keeps what was read of it."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer
        self.seen: list[Event] = []
        self.other: list[str] = []  # comments and `retry`
        self._rest = ""

    @property
    def last_id(self) -> str:
        return self.seen[-1].id

    async def next(self) -> Event | None:
        """None: the stream has ended."""
        while (block := await self._block()) is not None:
            fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
            if "event" in fields:
                event = Event(fields["event"], fields["id"], orjson.loads(fields["data"]))
                self.seen.append(event)
                return event
            self.other.append(block)
        return None

    async def until(self, kind: str) -> Event:
        while (event := await self.next()) is not None:
            if event.kind == kind:
                return event
        raise AssertionError(f"ended before {kind}: {self.seen}")

    async def all(self) -> list[Event]:
        while await self.next() is not None:
            pass
        return self.seen

    async def _block(self) -> str | None:
        while "\n\n" not in self._rest:
            async with asyncio.timeout(PATIENT_S):
                part = await self.answer.content.readany()
            if not part:
                assert not self._rest, self._rest
                return None
            self._rest += part.decode()
        block, self._rest = self._rest.split("\n\n", 1)
        return block


@asynccontextmanager
async def streaming(
    node: House, name: str, *, bearer: str | None = None, last: str | None = None
) -> AsyncIterator[Events]:
    """The stream of a request, cut when this is left."""
    headers = _headers(bearer, {} if last is None else {"Last-Event-ID": last})
    url = f"{node.server.url}/v1/requests/{name}/events"
    async with aiohttp.ClientSession(headers=headers) as session, session.get(url) as answer:
        assert answer.status == 200, await answer.text()
        yield Events(answer)
