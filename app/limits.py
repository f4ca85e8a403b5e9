"""How much one connection, user or tenant may ask of this node."""

from collections import Counter
from typing import Final

from streamer.auth import Principal
from streamer.settings import Settings

BURST_S: Final = 2.0
"""How many seconds' worth of messages may come at once."""


class TokenBucket:
    """`rate` messages per second on average, twice that at once; 0 means no limit. Times are monotonic seconds."""

    __slots__ = ("_rate", "_refilled", "_tokens")

    def __init__(self, rate: float, now: float) -> None:
        self._rate = rate
        self._tokens = rate * BURST_S
        self._refilled = now

    def take(self, now: float) -> int:
        """0: taken. Else nothing was, and so many milliseconds from now there will be one to take."""
        rate = self._rate
        if not rate:
            return 0
        tokens = min(rate * BURST_S, self._tokens + (now - self._refilled) * rate)
        self._refilled = now
        if tokens >= 1.0:
            self._tokens = tokens - 1.0
            return 0
        self._tokens = tokens
        return int((1.0 - tokens) / rate * 1000) + 1

    def owe(self, count: int) -> None:
        """What was taken counts for so many more. Where there are not so many left, the next messages wait for them."""
        self._tokens -= count


class Seats:
    """Counts the connections of this node: in all, per user and per tenant."""

    def __init__(self, settings: Settings) -> None:
        self._in_all = settings.max_connections
        self._per_user = settings.max_connections_per_user
        self._per_tenant = settings.max_connections_per_tenant
        self._taken: Counter[tuple[str, ...]] = Counter()

    def take(self, principal: Principal) -> bool:
        """Whether there was a seat; if so, it is taken until `leave`."""
        wanted = self._limits(principal)
        if any(limit and self._taken[key] >= limit for key, limit in wanted.items()):
            return False
        self._taken.update(wanted.keys())
        return True

    def leave(self, principal: Principal) -> None:
        for key in self._limits(principal):
            self._taken[key] -= 1
            if not self._taken[key]:
                del self._taken[key]

    def _limits(self, principal: Principal) -> dict[tuple[str, ...], int]:
        tenant, user = principal.tenant, principal.user
        return {(): self._in_all, (tenant,): self._per_tenant, (tenant, user): self._per_user}
