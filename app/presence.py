"""`GET /v1/presence`: which users of the caller's tenant are connected."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from app import handshake
from app.handshake import Doorkeeper, Hello
from app.shared import Shared
from streamer.auth import Principal
from streamer.cluster.presence import Presence
from streamer.store.base import Connection

PERMISSION: Final = "presence:read"


@dataclass(frozen=True, slots=True)
class Present:
    """A user with at least one connection. `since_ms`: when the oldest of them was made, Unix milliseconds."""

    user: str
    connections: int
    since_ms: int


class Roster:
    """Who is connected, to any node that lives. A listing is shared by all who ask for the same tenant within 1 s: on
    DynamoDB that is a query of every shard of an index, and its rows besides."""

    def __init__(self, presence: Presence, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._presence = presence
        self._tenants = Shared(presence.of_tenant, "presence", clock=clock)

    async def of_tenant(self, tenant: str) -> Sequence[Present]:
        """Sorted by user. Raises StoreUnavailable, for as long as a listing would have been kept."""
        return _by_user(await self._tenants.of(tenant))

    async def of_user(self, tenant: str, user: str) -> Sequence[Present]:
        """That user, or nobody; always as of now. Raises StoreUnavailable."""
        return _by_user(await self._presence.of_user(tenant, user))

    async def connections(self, tenant: str, user: str | None) -> Sequence[Connection]:
        """Of a tenant, or one of its users, the oldest first. Raises StoreUnavailable."""
        return await (self._tenants.of(tenant) if user is None else self._presence.of_user(tenant, user))


class Presences:
    """Answers the call, for those who may see their tenant."""

    def __init__(self, doorkeeper: Doorkeeper, roster: Roster) -> None:
        self._doorkeeper = doorkeeper
        self._roster = roster

    async def listed(self, hello: Hello, user: str | None) -> Mapping[str, Any]:
        """Who of the caller's tenant is connected. Raises Refused, StoreUnavailable."""
        tenant = (await self._admit(hello)).tenant
        return {"tenant": tenant, "users": [_shown(each) for each in await self._listed(tenant, user)]}

    async def _admit(self, hello: Hello) -> Principal:
        principal = await self._doorkeeper.admit(hello)
        if not principal.may(PERMISSION):
            raise handshake.forbidden(f"This needs the permission {PERMISSION}.")
        return principal

    async def _listed(self, tenant: str, user: str | None) -> Sequence[Present]:
        return await (self._roster.of_tenant(tenant) if user is None else self._roster.of_user(tenant, user))


def _by_user(rows: Iterable[Connection]) -> Sequence[Present]:
    connected: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        connected[row.user].append(row.connected_ms)
    return [Present(user, len(times), min(times)) for user, times in sorted(connected.items())]


def _shown(present: Present) -> dict[str, Any]:
    since = datetime.fromtimestamp(present.since_ms / 1000, UTC)
    return {"user": present.user, "connections": present.connections, "since": since}
