"""`GET /v1/presence`: which users of the caller's tenant are connected."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from app import handshake
from app.handshake import Doorkeeper, Hello, Refused
from streamer.auth import Principal
from streamer.cluster.presence import Presence
from streamer.errors import StoreUnavailable, StreamerError
from streamer.store.base import Connection

PERMISSION: Final = "presence:read"
KEPT_S: Final = 1.0
"""A tenant is listed at most so often: on DynamoDB that is a query of every shard of an index, and its rows besides."""


@dataclass(frozen=True, slots=True)
class Present:
    """A user with at least one connection. `since_ms`: when the oldest of them was made, Unix milliseconds."""

    user: str
    connections: int
    since_ms: int


class Roster:
    """Who is connected, to any node that lives. A listing is shared by all who ask for the same tenant within 1 s."""

    def __init__(self, presence: Presence, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._presence = presence
        self._clock = clock
        self._listings: dict[str, _Listing] = {}  # tenant -> the newest; outdated ones go when another is made

    async def of_tenant(self, tenant: str) -> Sequence[Present]:
        """Sorted by user. Raises StoreUnavailable, for as long as a listing would have been kept."""
        now = self._clock()
        listing = self._listings.get(tenant)
        if listing is None or listing.is_outdated(now):
            self._listings = {name: each for name, each in self._listings.items() if not each.is_outdated(now)}
            task = asyncio.create_task(self._listed(tenant), name="presence")
            listing = self._listings[tenant] = _Listing(task, now + KEPT_S)
        return await asyncio.shield(listing.task)  # whoever goes away takes it from nobody else

    async def of_user(self, tenant: str, user: str) -> Sequence[Present]:
        """That user, or nobody; always as of now. Raises StoreUnavailable."""
        return _by_user(await self._presence.of_user(tenant, user))

    async def _listed(self, tenant: str) -> Sequence[Present]:
        return _by_user(await self._presence.of_tenant(tenant))


@dataclass(frozen=True, slots=True)
class _Listing:
    task: asyncio.Task[Sequence[Present]]
    until: float  # monotonic seconds

    def is_outdated(self, now: float) -> bool:
        return self.task.done() and now >= self.until


class Presences:
    """Serves the call, to those who may see their tenant."""

    def __init__(self, doorkeeper: Doorkeeper, roster: Roster) -> None:
        self._doorkeeper = doorkeeper
        self._roster = roster

    async def serve(self, request: Request) -> Response:
        try:
            tenant = (await self._admit(request)).tenant
            present = await self._listed(tenant, request.query_params.get("user"))
        except Refused as refused:
            return _told(refused.status, refused.error)
        except StoreUnavailable as error:
            return _told(503, error)
        return _json(200, {"tenant": tenant, "users": [_shown(each) for each in present]})

    async def _admit(self, request: Request) -> Principal:
        principal = await self._doorkeeper.admit(Hello.of_call(request.scope, request.state.node.proxies))
        if not principal.may(PERMISSION):
            raise handshake.forbidden(f"This needs the permission {PERMISSION}.")
        return principal

    async def _listed(self, tenant: str, user: str | None) -> Sequence[Present]:
        return await (self._roster.of_tenant(tenant) if user is None else self._roster.of_user(tenant, user))


def routes(presences_of: Callable[[Request], Presences]) -> Sequence[Route]:
    async def serve(request: Request) -> Response:
        return await presences_of(request).serve(request)

    return [Route("/v1/presence", serve, methods=["GET"])]


def _by_user(rows: Iterable[Connection]) -> Sequence[Present]:
    connected: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        connected[row.user].append(row.connected_ms)
    return [Present(user, len(times), min(times)) for user, times in sorted(connected.items())]


def _shown(present: Present) -> dict[str, Any]:
    since = datetime.fromtimestamp(present.since_ms / 1000, UTC)
    return {"user": present.user, "connections": present.connections, "since": since}


def _told(status: int, error: StreamerError) -> Response:
    return _json(status, {"error": error.message, "code": error.code})


def _json(status: int, content: Any) -> Response:
    body = orjson.dumps(content, option=orjson.OPT_UTC_Z)
    return Response(body, status, {"cache-control": "no-store"}, media_type="application/json")
