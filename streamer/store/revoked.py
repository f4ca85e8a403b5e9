"""Revocations, over an engine's registry of nodes: a small row for each, under a kind of their own."""

import builtins
from collections.abc import Callable, Mapping
from typing import Any, Final

from streamer.jobs import ids
from streamer.store.base import NodeRegistry, NodeRow
from streamer.store.revocations import Revocation

REVOKED: Final = "revoked"
"""Kind of the rows."""


class StoredRevocations:
    """See `streamer.store.revocations.RevocationStore`. `clock` gives Unix milliseconds.

    A row is never changed, and its name has its end in it: whoever removes an expired one can hit no other.
    """

    def __init__(self, nodes: NodeRegistry, *, clock: Callable[[], int]) -> None:
        self._nodes = nodes
        self._clock = clock

    async def revoke(self, revocation: Revocation) -> None:
        await self._nodes.beat(REVOKED, f"{_subject(revocation)}.{revocation.expires_ms}", _info(revocation))
        await self._sweep()

    async def list(self) -> builtins.list[Revocation]:
        now = self._clock()
        rows = await self._nodes.list(REVOKED)
        standing = [_revocation(row.info) for row in rows if not _is_over(row, now)]
        return sorted(standing, key=lambda revocation: revocation.revoked_ms)

    async def lift(self, tenant: str, *, user: str | None = None, token_id: str | None = None) -> bool:
        wanted = _named(tenant, user, token_id)
        found = [row for row in await self._nodes.list(REVOKED) if row.node_id.partition(".")[0] == wanted]
        for row in found:
            await self._nodes.remove(REVOKED, row.node_id)
        return not all(_is_over(row, self._clock()) for row in found)

    async def _sweep(self) -> None:
        """Nobody else removes expired rows: the registry has no time to live."""
        now = self._clock()
        for row in await self._nodes.list(REVOKED):
            if _is_over(row, now):
                await self._nodes.remove(REVOKED, row.node_id)


def _is_over(row: NodeRow, now_ms: int) -> bool:
    return int(row.info["expires_ms"]) <= now_ms


def _subject(revocation: Revocation) -> str:
    return _named(revocation.tenant, revocation.user, revocation.token_id)


def _named(tenant: str, user: str | None, token_id: str | None) -> str:
    """Of fixed length, whatever the names are; see `ids.user_key`."""
    return f"token-{ids.user_key(tenant, token_id)}" if token_id else f"user-{ids.user_key(tenant, user or '')}"


def _info(revocation: Revocation) -> Mapping[str, Any]:
    return {
        "tenant": revocation.tenant,
        "user": revocation.user,
        "token_id": revocation.token_id,
        "revoked_ms": revocation.revoked_ms,
        "expires_ms": revocation.expires_ms,
        "reason": revocation.reason,
    }


def _revocation(info: Mapping[str, Any]) -> Revocation:
    """What a later Streamer adds is passed over."""
    return Revocation(
        tenant=info["tenant"],
        user=info["user"],
        token_id=info["token_id"],
        revoked_ms=info["revoked_ms"],
        expires_ms=info["expires_ms"],
        reason=info["reason"],
    )
