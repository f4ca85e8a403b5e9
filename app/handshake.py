"""Who may open a socket: judged before anything is accepted. Pure but for the token's check."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal
from urllib.parse import parse_qs, urlsplit

from streamer.auth import Authenticator, Principal
from streamer.errors import Forbidden, ServiceUnavailable, StreamerError, Unauthorized
from streamer.protocol.codes import BEARER, VERSION_1, Close
from streamer.settings import Settings, is_loopback

RETRY_AFTER_S: Final = 5
"""What a caller is told who comes while the node is draining or full."""
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}

Result = Literal["unauthorized", "forbidden", "full", "draining", "unavailable"]


class Refused(Exception):
    """The handshake fails. `status` is for callers who see HTTP, `close` for browsers, which do not."""

    def __init__(self, result: Result, status: int, close: Close, error: StreamerError) -> None:
        super().__init__(error.message)
        self.result = result
        self.status = status
        self.close = close
        self.error = error

    @property
    def headers(self) -> Mapping[str, str]:
        is_passing = self.result in ("full", "draining", "unavailable")
        return {"retry-after": str(RETRY_AFTER_S)} if is_passing else {}


@dataclass(frozen=True, slots=True)
class Hello:
    """What a caller says about itself in its handshake."""

    headers: Mapping[str, str]  # lower-case names
    subprotocols: Sequence[str]
    query: str

    @classmethod
    def read(cls, scope: Mapping[str, Any]) -> "Hello":
        """The handshake of an ASGI `websocket` scope."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        return cls(headers, scope.get("subprotocols", ()), scope["query_string"].decode("latin-1"))

    @classmethod
    def of_call(cls, scope: Mapping[str, Any]) -> "Hello":
        """A call of an ASGI `http` scope: its token is in a header, and nowhere else."""
        return replace(cls.read(scope), query="")

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


class Doorkeeper:
    """Checks handshakes against the settings."""

    def __init__(self, settings: Settings, is_revoked: Callable[[Principal], bool] = lambda _: False) -> None:
        """`is_revoked`: whether a token was taken back, told without waiting."""
        self._authenticator = Authenticator(settings)
        self._is_revoked = is_revoked
        self._origins = settings.allowed_origins
        self._takes_query_token = settings.auth_query_token
        self._is_open = settings.auth_mode == "off"

    async def admit(self, hello: Hello) -> Principal:
        """Who is calling. Raises Refused."""
        if self._is_open and not is_loopback(_host(hello)):
            raise forbidden("This node is for callers on its own machine: use localhost.")
        if not self._is_from_here(hello):
            raise forbidden("This origin is not allowed.")
        try:
            return self._standing(await self._authenticator.authenticate(self._token(hello)))
        except Unauthorized as error:
            raise Refused("unauthorized", 401, Close.TOKEN_REJECTED, error) from error
        except Forbidden as error:
            raise Refused("forbidden", 403, Close.FORBIDDEN, error) from error
        except ServiceUnavailable as error:
            raise Refused("unavailable", 503, Close.RESTARTING, error) from error

    def _standing(self, principal: Principal) -> Principal:
        if self._is_revoked(principal):
            raise Unauthorized
        return principal

    async def keep_keys(self) -> None:
        """Keeps the keys of issuers fresh for ever; see `Authenticator`."""
        await self._authenticator.keep_keys()

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
        if self._origins is not None:
            return origin in self._origins
        return _is_same(origin, hello.headers.get("host", ""))


def draining() -> Refused:
    error = ServiceUnavailable("The node is leaving; connect again.")
    return Refused("draining", 503, Close.RESTARTING, error)


def full() -> Refused:
    error = ServiceUnavailable("There are too many connections.")
    return Refused("full", 503, Close.TOO_MANY_CONNECTIONS, error)


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
