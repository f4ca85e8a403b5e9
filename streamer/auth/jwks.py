"""Keys that an issuer serves under a URL, and changes when it likes."""

import asyncio
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, Final

import jwt
import structlog

from streamer.auth import jwk_set
from streamer.auth.jwk_set import SetKey
from streamer.auth.keys import Key
from streamer.errors import ServiceUnavailable

log = structlog.get_logger()

TIMEOUT_S: Final = 3.0
"""For the issuer to answer, and for a caller to wait for that."""
LIFESPAN_S: Final = 300.0
"""A key that its issuer took out of its set is used for at most so long."""
COOLDOWN_S: Final = 10.0
"""After a token named an unknown key: so long no other token makes us ask for the set again."""
RETRY_S: Final = 1.0
"""After an issuer did not answer, for callers; we ask by ourselves after 2 s, then twice as long each time."""
MAX_RETRY_S: Final = 30.0

_FAULTS: Final = (jwt.PyJWTError, OSError, ValueError, RecursionError)
"""What a server that is away, or answers something else, makes of a fetch."""


class NotServed(Exception):
    """An issuer does not answer with its keys; `str` says why."""


def served_keys(url: str, algorithms: Sequence[str]) -> Sequence[SetKey]:
    """The usable keys that are served there now; blocks. Raises NotServed."""
    try:
        return jwk_set.usable(_fetching(url)(), algorithms)
    except _FAULTS as error:
        raise NotServed(str(error)) from error


class JwksKeys:
    """The keys as they were when the issuer last answered: an issuer that is away takes none of them.

    A key that is known is found without waiting. An unknown one makes us ask once, for all that wait for it together,
    and then not again for `COOLDOWN_S`: a stranger with ever new key ids is answered at once.
    """

    def __init__(
        self,
        url: str,
        algorithms: Sequence[str],
        *,
        fetch: Callable[[], Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`fetch` gives the parsed document, in a thread."""
        self._url = url
        self._algorithms = algorithms
        self._fetch = fetch or _fetching(url)
        self._clock = clock
        self._keys: Sequence[SetKey] = ()  # empty until it answered once
        self._is_current = False  # it answered when it was last asked
        self._failures = 0  # since it last answered
        self._rests_until = 0.0  # no token makes us ask before (by the clock)
        self._task: asyncio.Task[None] | None = None  # asks just now

    async def find(self, token: str) -> tuple[Key, Sequence[str]]:
        """See `Keys`. ServiceUnavailable: the key is unknown, and the issuer did not answer when it was asked."""
        header = jwt.get_unverified_header(token)
        key_id, algorithm = header.get("kid"), str(header.get("alg"))
        if algorithm not in self._algorithms:
            raise ValueError(f"the algorithm of the token is not one of {', '.join(self._algorithms)}")
        found = self._known(key_id, algorithm) or await self._asked(key_id, algorithm)
        if found is not None:
            return found.key, [algorithm]
        if self._is_current and self._task is None:
            raise ValueError("the key of the token is not in the issuer's set")
        raise ServiceUnavailable("Tokens cannot be checked now.", after_ms=int(RETRY_S * 1000))

    async def keep(self) -> None:
        """Asks again and again, first now; oftener while there is no answer."""
        while True:
            await self._ask()
            pause_s = min(RETRY_S * 2 ** min(self._failures, 10), MAX_RETRY_S)
            await asyncio.sleep(LIFESPAN_S if self._is_current else pause_s)

    def _known(self, key_id: str | None, algorithm: str) -> SetKey | None:
        """A token that names no key is checked where only one can be meant."""
        fits = [each for each in self._keys if algorithm in each.algorithms and key_id in (None, each.key_id)]
        return fits[0] if fits and (key_id is not None or len(fits) == 1) else None

    async def _asked(self, key_id: str | None, algorithm: str) -> SetKey | None:
        if self._task is None:
            if self._clock() < self._rests_until:
                return None
            self._rests_until = self._clock() + COOLDOWN_S
        await self._ask()
        return self._known(key_id, algorithm)

    async def _ask(self) -> None:
        """Until the answer is there, or it takes too long; the next one who asks then waits for the same answer."""
        if self._task is None:
            self._task = asyncio.create_task(self._refresh(), name=f"keys of {self._url}")
        await asyncio.wait([self._task], timeout=TIMEOUT_S)

    async def _refresh(self) -> None:
        try:
            keys = await asyncio.to_thread(self._read)
        except _FAULTS as error:
            self._failed(error)
        else:
            self._learned(keys)
        finally:
            self._task = None

    def _read(self) -> Sequence[SetKey]:
        """In a thread: the call blocks, and a document may be large."""
        return jwk_set.usable(self._fetch(), self._algorithms)

    def _learned(self, keys: Sequence[SetKey]) -> None:
        ids = [key.key_id for key in keys]
        if not self._is_current or ids != [key.key_id for key in self._keys]:
            log.info("keys_read", url=self._url, key_ids=ids)
        self._keys, self._is_current, self._failures = keys, True, 0

    def _failed(self, error: Exception) -> None:
        if self._failures == 0:
            log.warning("keys_not_read", url=self._url, kept=len(self._keys), reason=str(error))
        self._is_current = False
        self._failures += 1
        self._rests_until = self._clock() + RETRY_S


def _fetching(url: str) -> Callable[[], Any]:
    """Follows no redirect. Issuers' firewalls know urllib's own name, and refuse it."""
    agent = {"User-Agent": f"streamer/{version('streamer')}", "Accept": "application/json"}
    client = jwt.PyJWKClient(url, cache_jwk_set=False, headers=agent, timeout=TIMEOUT_S)
    return client.fetch_data
