"""How much one connection, user or tenant may ask of this node."""

from collections import Counter
from collections.abc import Hashable
from typing import Final

from streamer.auth import Principal
from streamer.settings import Settings

BURST_S: Final = 2.0
"""How many seconds' worth of messages may come at once."""
REFUSALS_S: Final = 10.0
MIN_REFUSALS: Final = 100.0
"""So many seconds' worth of messages, and at least so many of them, may be refused in a row before the connection is
closed with 4429; a tenth of the rate is forgiven for good."""
MIN_KEPT: Final = 1_000


class TokenBucket:
    """`rate` messages per second on average, `burst` at once (2 s worth of them); 0 means no limit. Times are
    monotonic seconds."""

    __slots__ = ("_burst", "_rate", "_refilled", "_tokens")

    def __init__(self, rate: float, now: float, *, burst: float | None = None) -> None:
        self._rate = rate
        self._burst = self._tokens = max(1.0, rate * BURST_S) if burst is None else burst
        self._refilled = now

    def take(self, now: float) -> int:
        """0: taken. Else nothing was, and so many milliseconds from now there will be one to take."""
        if not self._rate:
            return 0
        wait_ms = self.wait_ms(now)
        if not wait_ms:
            self._tokens -= 1.0
        return wait_ms

    def wait_ms(self, now: float) -> int:
        """In how many milliseconds there will be one to take; 0: now."""
        rate = self._rate
        if not rate:
            return 0
        tokens = self._tokens = min(self._burst, self._tokens + (now - self._refilled) * rate)
        self._refilled = now
        return 0 if tokens >= 1.0 else int((1.0 - tokens) / rate * 1000) + 1

    def is_full(self, now: float) -> bool:
        """Whether it is as good as a new one."""
        self.wait_ms(now)
        return self._tokens >= self._burst

    def owe(self, count: int) -> None:
        """What was taken counts for so many more. Where there are not so many left, the next messages wait for them."""
        self._tokens -= count


class Buckets:
    """A bucket for each key: made when it is asked for, forgotten when it is as good as a new one."""

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: dict[Hashable, TokenBucket] = {}
        self._look_at = MIN_KEPT  # so many are there when the next look for full ones is worth it

    def of(self, key: Hashable, now: float) -> TokenBucket:
        bucket = self._buckets.get(key)
        if bucket is None:
            if len(self._buckets) >= self._look_at:
                self._buckets = {name: each for name, each in self._buckets.items() if not each.is_full(now)}
                self._look_at = max(MIN_KEPT, 2 * len(self._buckets))
            bucket = self._buckets[key] = TokenBucket(self._rate, now)
        return bucket

    def __len__(self) -> int:
        return len(self._buckets)


class Allowance:
    """What a connection may still send: by a bucket of its own and one that all connections of its user share."""

    __slots__ = ("_own", "_refusals", "_user", "_users")

    def __init__(self, rate: float, now: float, *, users: Buckets | None = None, user: Hashable = None) -> None:
        self._own = TokenBucket(rate, now)
        self._users = users  # None: there is no limit per user
        self._user = user
        self._refusals = TokenBucket(rate / 10 or 1.0, now, burst=max(MIN_REFUSALS, rate * REFUSALS_S))

    def take(self, now: float) -> int:
        """0: taken. Else so many milliseconds from now there will be one to take."""
        if self._users is None:
            return self._own.take(now)
        return max(self._own.take(now), self._users.of(self._user, now).take(now))

    def owe(self, count: int, now: float) -> None:
        self._own.owe(count)
        if self._users is not None:
            self._users.of(self._user, now).owe(count)

    def is_abused(self, now: float) -> bool:
        """Told of a message that came though it was over the limit: whether there were too many of those."""
        return self._refusals.take(now) > 0


class Allowances:
    """The allowances of a node's connections."""

    def __init__(self, settings: Settings) -> None:
        self._rate = settings.rate_limit
        self._users = Buckets(settings.rate_limit_per_user) if settings.rate_limit_per_user else None

    def of(self, principal: Principal, now: float) -> Allowance:
        """Of a socket. `now`: monotonic seconds."""
        return self._with(self._rate, principal, now)

    def of_call(self, principal: Principal, now: float) -> Allowance:
        """Of one call over HTTP: only its user's limit is one for it."""
        return self._with(0.0, principal, now)

    def _with(self, rate: float, principal: Principal, now: float) -> Allowance:
        return Allowance(rate, now, users=self._users, user=(principal.tenant, principal.user))


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
