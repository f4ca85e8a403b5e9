"""Who may open a socket: judged before anything is accepted. Pure but for the token's check."""

import asyncio
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urlsplit

from app.limits import Buckets, TokenBucket
from app.proxies import DIRECT, FORWARDED_FOR, Proxies, bucket_key
from streamer.auth import Authenticator, Principal
from streamer.errors import Forbidden, RateLimited, ServiceUnavailable, StreamerError, Unauthorized
from streamer.protocol.codes import BEARER, VERSION_1, Close
from streamer.settings import Settings, is_loopback

RETRY_AFTER_S: Final = 5
"""What a caller is told who comes while the node is draining or full."""
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

Result = Literal["unauthorized", "forbidden", "full", "draining", "limited", "unavailable"]


class Refused(Exception):
    """The handshake fails. `status` is for callers who see HTTP, `close` for browsers, which do not."""

    def __init__(
        self, result: Result, status: int, close: Close, error: StreamerError, *, retry_after_s: int | None = None
    ) -> None:
        super().__init__(error.message)
        self.retry_after_s = retry_after_s  # None: coming back as it is will not help
        self.result = result
        self.status = status
        self.close = close
        self.error = error

    @property
    def headers(self) -> Mapping[str, str]:
        headers = {} if self.retry_after_s is None else {"retry-after": str(self.retry_after_s)}
        return {**headers, "www-authenticate": "Bearer"} if self.status == 401 else headers  # noqa: PLR2004  # RFC 9110, section 15.5.2


@dataclass(frozen=True, slots=True)
class Hello:
    """What a caller says about itself in its handshake."""

    headers: Mapping[str, str]  # lower-case names
    subprotocols: Sequence[str]
    query: str
    address: str = ""  # of the caller, "" where that is not known
    is_call: bool = False  # over HTTP, and no socket

    @classmethod
    def read(cls, scope: Mapping[str, Any], proxies: Proxies = DIRECT) -> "Hello":
        """The handshake of an ASGI `websocket` scope."""
        headers = _headers(scope["headers"])
        address = proxies.client(scope, headers)
        query = scope["query_string"].decode("latin-1")
        return cls(headers, scope.get("subprotocols", ()), query, address)

    @classmethod
    def of_call(cls, scope: Mapping[str, Any], proxies: Proxies = DIRECT) -> "Hello":
        """A call of an ASGI `http` scope: its token is in a header, and nowhere else."""
        return replace(cls.read(scope, proxies), query="", is_call=True)

    @property
    def speaks_v1(self) -> bool:
        return VERSION_1 in self.subprotocols

    @property
    def bearer(self) -> str | None:
        """The token among the subprotocols: the way that is open to a browser."""
        for entry in self.subprotocols:
            if entry.startswith(BEARER):
                return entry.removeprefix(BEARER)
        return None

    @property
    def sees_closes_only(self) -> bool:
        """Whether to accept and close where others get an HTTP answer: a browser cannot see that."""
        return self.speaks_v1 and self.bearer is not None


def _never(_: Principal) -> bool:
    return False


class Doorkeeper:
    """Checks handshakes against the settings. `is_revoked`: whether a token that holds was taken back."""

    def __init__(self, settings: Settings, is_revoked: Callable[[Principal], bool] = _never) -> None:
        self._authenticator = Authenticator(settings)
        self._is_revoked = is_revoked
        self._addresses = Buckets(settings.handshakes_per_address)
        self._timeout_s = settings.handshake_timeout_s
        self._origins = settings.allowed_origins
        self._has_pages = settings.console or settings.allowed_origins is None  # of its own, which may call it
        self._takes_query_token = settings.auth_query_token
        self._is_open = settings.auth_mode == "off"

    async def admit(self, hello: Hello) -> Principal:
        """Who is calling. Raises Refused.

        Sockets count for the limit of their address, calls only where they are refused: those may be many.
        """
        wait_ms = self._door(hello).wait_ms(time.monotonic())
        if wait_ms:
            raise limited(wait_ms)
        if not hello.is_call:
            self._door(hello).take(time.monotonic())
        try:
            return await self._admit(hello)
        except Refused:
            if hello.is_call:
                self._door(hello).take(time.monotonic())
            raise

    def _door(self, hello: Hello) -> TokenBucket:
        """Of the caller's address; one that nobody knows has no limit."""
        now = time.monotonic()
        return self._addresses.of(bucket_key(hello.address), now) if hello.address else TokenBucket(0, now)

    async def keep_keys(self) -> None:
        """Keeps the keys of issuers fresh for ever; see `Authenticator`."""
        await self._authenticator.keep_keys()

    async def renew(self, principal: Principal, token: str) -> Principal:
        """What a fresh token says of the same caller. Raises Refused."""
        renewed = await self._authenticated(token)
        if (renewed.tenant, renewed.user) != (principal.tenant, principal.user):
            raise unauthorized()
        return renewed

    def welcome(self, hello: Hello) -> None:
        """Lets a call without a token in, which counts for the limit of its address. Raises Refused."""
        door = self._door(hello)
        wait_ms = door.wait_ms(time.monotonic())
        if wait_ms:
            raise limited(wait_ms)
        door.take(time.monotonic())
        self._check_place(hello)

    async def _admit(self, hello: Hello) -> Principal:
        self._check_place(hello)
        return await self._authenticated(self._token(hello))

    def _check_place(self, hello: Hello) -> None:
        if self._is_open and not is_loopback(_host(hello)):
            raise forbidden("This node is for callers on its own machine: use localhost.")
        if not self._is_from_here(hello):
            raise forbidden("This origin is not allowed.")

    async def _authenticated(self, token: str | None) -> Principal:
        try:
            async with asyncio.timeout(self._timeout_s):
                principal = await self._authenticator.authenticate(token)
        except Unauthorized as error:
            raise unauthorized() from error
        except Forbidden as error:
            raise Refused("forbidden", 403, Close.FORBIDDEN, error) from error
        except (ServiceUnavailable, TimeoutError) as error:
            raise unavailable() from error
        if self._is_revoked(principal):
            raise unauthorized()
        return principal

    def _token(self, hello: Hello) -> str | None:
        scheme, _, token = hello.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return token.strip()
        if hello.bearer is not None:
            return hello.bearer
        return _query_token(hello.query) if self._takes_query_token else None

    def _is_from_here(self, hello: Hello) -> bool:
        """A browser names the page's origin and nothing else does; a page of a stranger must not use its visitor."""
        origin = hello.headers.get("origin")
        if origin is None:
            return True
        if self._origins is not None and origin in self._origins:
            return True
        return self._has_pages and _is_same(origin, hello.headers.get("host", ""))


def _headers(raw: Iterable[tuple[bytes, bytes]]) -> Mapping[str, str]:
    """One value for each name, the last one; but each proxy may have written a line of its own."""
    headers: dict[str, str] = {}
    for name, value in raw:
        key, text = name.decode("latin-1"), value.decode("latin-1")
        headers[key] = f"{headers[key]},{text}" if key == FORWARDED_FOR and key in headers else text
    return headers


def draining() -> Refused:
    error = ServiceUnavailable("The node is leaving; connect again.")
    return Refused("draining", 503, Close.RESTARTING, error, retry_after_s=RETRY_AFTER_S)


def full() -> Refused:
    error = ServiceUnavailable("There are too many connections.")
    return Refused("full", 503, Close.TOO_MANY_CONNECTIONS, error, retry_after_s=RETRY_AFTER_S)


def unavailable() -> Refused:
    error = ServiceUnavailable("Tokens cannot be checked now; connect again.")
    return Refused("unavailable", 503, Close.RESTARTING, error, retry_after_s=RETRY_AFTER_S)


def limited(wait_ms: int) -> Refused:
    error = RateLimited("Too many connections were made from this address.", after_ms=wait_ms)
    return Refused("limited", 429, Close.TOO_MANY_MESSAGES, error, retry_after_s=math.ceil(wait_ms / 1000))


def unauthorized() -> Refused:
    return Refused("unauthorized", 401, Close.TOKEN_REJECTED, Unauthorized())


def forbidden(reason: str) -> Refused:
    return Refused("forbidden", 403, Close.FORBIDDEN, Forbidden(reason))


def _host(hello: Hello) -> str:
    """The host that the caller thinks it is calling, without its port; "" where that is unreadable."""
    try:
        return urlsplit(f"//{hello.headers.get('host', '')}").hostname or ""
    except ValueError:
        return ""


def _is_same(origin: str, host: str) -> bool:
    """Whether the page came from where the socket goes to. The scheme may differ: TLS may end before us."""
    try:
        page, here = urlsplit(origin), urlsplit(f"//{host}")
        usual = _DEFAULT_PORTS.get(page.scheme)
        ports = (page.port or usual, here.port or usual)
    except ValueError:
        return False
    return page.hostname is not None and page.hostname == here.hostname and ports[0] == ports[1]


def _query_token(query: str) -> str | None:
    given = parse_qs(query)
    for name in ("Authorization", "token"):
        if name in given:
            return given[name][0].removeprefix("Bearer ")
    return None
