"""Tokens that were taken back, as this node knows it: asked without waiting, read once per beat."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import structlog

from app.hub import Hub
from streamer.auth import Principal
from streamer.errors import StoreUnavailable
from streamer.protocol.codes import Close
from streamer.store.revocations import Revocation, RevocationStore

log = structlog.get_logger()

Name = tuple[str, str]
"""Tenant, and a user or the id of a token."""
SINCE_EVER: Final = float("-inf")


class Revocations:
    """What the store said when it last answered: while it is away, nothing is forgotten."""

    def __init__(self, store: RevocationStore, hub: Hub, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store = store
        self._hub = hub
        self._clock = clock
        self._known: Sequence[Revocation] = ()
        self._tokens: frozenset[Name] = frozenset()
        self._users: Mapping[Name, int] = {}  # -> tokens issued before this (Unix milliseconds) are revoked
        self._looked = SINCE_EVER  # when the connections were last gone through, by the clock

    def is_revoked(self, principal: Principal) -> bool:
        """Whether the token of this caller was taken back."""
        if principal.token_id is not None and (principal.tenant, principal.token_id) in self._tokens:
            return True
        before_ms = self._users.get((principal.tenant, principal.user))
        return before_ms is not None and (principal.issued is None or principal.issued * 1000 < before_ms)

    async def refresh(self) -> None:
        """Reads what was revoked, and closes the connections that this concerns. Raises StoreUnavailable."""
        known = tuple(await self._store.list())
        is_new = known != self._known
        if is_new:
            self._learn(known)
        since, self._looked = (SINCE_EVER if is_new else self._looked), self._clock()
        closed = self._close(since)
        if is_new or closed:
            log.info("revocations_read", revocations=len(known), closed=closed)

    async def run(self, interval_s: float) -> None:
        """Reads them again and again."""
        while True:
            await asyncio.sleep(interval_s)
            with contextlib.suppress(StoreUnavailable):  # the beat says so
                await self.refresh()

    def _learn(self, known: Sequence[Revocation]) -> None:
        self._known = known
        self._tokens = frozenset((each.tenant, each.token_id) for each in known if each.token_id)
        self._users = _newest((each.tenant, each.user, each.revoked_ms) for each in known if each.user)

    def _close(self, since: float) -> int:
        """Of those that were there at the last look, who is revoked was closed then; a handshake may have been let in
        before that look, and have come to its end only after it."""
        closed = 0
        for connection in self._hub:
            if connection.outbox.closed or connection.opened < since:
                continue
            if self.is_revoked(connection.principal):
                connection.outbox.close(Close.TOKEN_REJECTED, "the token was revoked")
                closed += 1
        return closed


def _newest(users: Iterable[tuple[str, str, int]]) -> Mapping[Name, int]:
    found: dict[Name, int] = {}
    for tenant, user, revoked_ms in users:
        found[tenant, user] = max(revoked_ms, found.get((tenant, user), 0))
    return found
