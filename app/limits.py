"""How much one connection, user or tenant may ask of this node."""

from collections import Counter, OrderedDict
from collections.abc import Hashable, Sequence
from typing import Final

from streamer.auth import Principal
from streamer.settings import Settings

BURST_S: Final = 2.0
"""How many seconds' worth of messages may come at once."""
REFUSALS_S: Final = 10.0
MIN_REFUSALS: Final = 100.0
"""So many seconds' worth of messages, and at least so many of them, may be refused in a row before the connection is
closed with 4429; a tenth of the rate is forgiven for good."""
MAX_BUCKETS: Final = 65_536
"""Of one table, some 20 MB: beyond that whoever was seen last longest ago starts anew."""


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
        rate = self._rate
        if not rate:
            return 0
        tokens = min(self._burst, self._tokens + (now - self._refilled) * rate)
        self._refilled = now
        if tokens >= 1.0:
            self._tokens = tokens - 1.0
            return 0
        self._tokens = tokens
        return _until_one(tokens, rate)

    def wait_ms(self, now: float) -> int:
        """In how many milliseconds there will be one to take; 0: now."""
        rate = self._rate
        if not rate:
            return 0
        tokens = self._tokens = min(self._burst, self._tokens + (now - self._refilled) * rate)
        self._refilled = now
        return 0 if tokens >= 1.0 else _until_one(tokens, rate)

    def is_full(self, now: float) -> bool:
        """Whether it is as good as a new one."""
        self.wait_ms(now)
        return self._tokens >= self._burst

    def owe(self, count: int) -> None:
        """What was taken counts for so many more. Where there are not so many left, the next messages wait for them."""
        self._tokens -= count


def _until_one(tokens: float, rate: float) -> int:
    """Milliseconds."""
    return int((1.0 - tokens) / rate * 1000) + 1


class Buckets:
    """A bucket for each key: made when it is asked for, forgotten when it is as good as a new one."""

    def __init__(self, rate: float, *, most: int = MAX_BUCKETS) -> None:
        self._rate = rate
        self._most = most
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()  # whoever was here last stands last

    def of(self, key: Hashable, now: float) -> TokenBucket:
        """That bucket, for now: not to be kept."""
        bucket = self._buckets.get(key)
        if bucket is None:
            self._forget(now)
            bucket = self._buckets[key] = TokenBucket(self._rate, now)
        else:
            self._buckets.move_to_end(key)
        return bucket

    def _forget(self, now: float) -> None:
        while self._buckets:
            oldest = next(iter(self._buckets))
            if len(self._buckets) < self._most and not self._buckets[oldest].is_full(now):
                return
            del self._buckets[oldest]

    def __len__(self) -> int:
        return len(self._buckets)


class Allowance:
    """What a connection may still send: by a bucket of its own, and by those that its user's connections share."""

    __slots__ = ("_own", "_refusals", "_shared", "_user")

    def __init__(self, rate: float, now: float, *, shared: Sequence[Buckets] = (), user: Hashable = None) -> None:
        self._own = TokenBucket(rate, now)
        self._shared = shared
        self._user = user
        self._refusals = TokenBucket(rate / 10 or 1.0, now, burst=max(MIN_REFUSALS, rate * REFUSALS_S))

    def take(self, now: float) -> int:
        """0: taken. Else so many milliseconds from now there will be one to take."""
        wait_ms = self._own.take(now)
        if not self._shared:  # the hot path: no loop for nothing
            return wait_ms
        for buckets in self._shared:
            wait_ms = max(wait_ms, buckets.of(self._user, now).take(now))
        return wait_ms

    def owe(self, count: int, now: float) -> None:
        self._own.owe(count)
        for buckets in self._shared:
            buckets.of(self._user, now).owe(count)

    def is_abused(self, now: float) -> bool:
        """Told of a message that came though it was over the limit: whether there were too many of those."""
        return self._refusals.take(now) > 0


class Allowances:
    """The allowances of a node's connections. Calls over HTTP have one bucket for all calls of a user, as large as that
    of a connection."""

    def __init__(self, settings: Settings) -> None:
        self._rate = settings.rate_limit
        self._of_users = (Buckets(settings.rate_limit_per_user),) if settings.rate_limit_per_user else ()
        self._of_calls = (Buckets(settings.rate_limit), *self._of_users)

    def of(self, principal: Principal, now: float) -> Allowance:
        """Of a socket. `now`: monotonic seconds."""
        return Allowance(self._rate, now, shared=self._of_users, user=(principal.tenant, principal.user))

    def take_call(self, principal: Principal, now: float) -> int:
        """For one call over HTTP: 0, or in how many milliseconds there will be room for it."""
        return Allowance(0.0, now, shared=self._of_calls, user=(principal.tenant, principal.user)).take(now)


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
