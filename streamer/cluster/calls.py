"""Calls from process to process: signed HTTP over kept connections."""

import io
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from streamer.cluster import sigv4
from streamer.cluster.sigv4 import Call, Key

CONNECT_S: Final = 0.3
TOTAL_S: Final = 1.0
_KEEP_ALIVE_S: Final = 4.0  # below uvicorn's 5 s, so that it is we who close an idle connection

_STREAMED_BYTES: Final = 1 << 20
"""aiohttp warns where more than this is sent in one piece."""
_NONE: Final[Mapping[str, str]] = {}
_JSON: Final[Mapping[str, str]] = {"content-type": "application/json"}


class Unreachable(Exception):
    """Nobody answered in time, or the answer was no success; the call may have had its effect.

    `status`: the HTTP status of the answer, None where there was none.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class Gone(Exception):
    """Whoever answered does not know what the call is about (410)."""


class Answer(NamedTuple):
    """What came back, whatever its status. `headers` are found in any case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Caller:
    """Signs and sends. Opened once per process by `async with`; connect time-out 0.3 s, total 1 s."""

    def __init__(
        self,
        key: Key,
        *,
        connect_s: float = CONNECT_S,
        total_s: float = TOTAL_S,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._key = key
        self._timeout = aiohttp.ClientTimeout(total=total_s, sock_connect=connect_s)
        self._clock = clock
        self._http: aiohttp.ClientSession | None = None  # None until opened and after the end

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEP_ALIVE_S)
        jar = aiohttp.DummyCookieJar()
        self._http = aiohttp.ClientSession(connector=connector, timeout=self._timeout, cookie_jar=jar)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        http, self._http = self._http, None
        if http is not None:
            await http.close()

    async def post(self, endpoint: str, path: str, body: bytes) -> bytes:
        """The body of a 200 answer. Raises Unreachable, Gone."""
        answer = await self.call(endpoint, "POST", path, body, headers=_JSON)
        if answer.status == 410:  # noqa: PLR2004  # Gone, RFC 9110 section 15.5.11
            raise Gone(endpoint)
        if answer.status != 200:  # noqa: PLR2004  # OK
            raise Unreachable(f"{endpoint}: {answer.status}", status=answer.status)
        return answer.body

    async def call(
        self, endpoint: str, method: str, path: str, body: bytes = b"", *, headers: Mapping[str, str] = _NONE
    ) -> Answer:
        """Makes the call, with these headers (names in lower case) signed too. Raises Unreachable: no answer came.

        `path` goes out as it is given, percent-encoded already, and has no query. Redirections are not followed.
        """
        if self._http is None:
            raise Unreachable("this process is not calling (any more)")
        signed = {**headers, "host": urlsplit(endpoint).netloc}
        signed |= sigv4.sign(self._key, Call(method=method, path=path, headers=signed, body=body), self._clock())
        url = URL(endpoint + path, encoded=True)
        data = body if len(body) < _STREAMED_BYTES else io.BytesIO(body)
        try:
            async with self._http.request(method, url, data=data, headers=signed, allow_redirects=False) as answer:
                return Answer(answer.status, answer.headers, await answer.read())
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(f"{endpoint}: {error or type(error).__name__}") from error
