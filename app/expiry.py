"""The end of a connection's token: told ahead of time, then a grace, then the end of the socket."""

import asyncio
import time
from collections.abc import Callable
from typing import Final

from app.connection import Connection
from streamer.protocol import frames
from streamer.protocol.codes import Close

AHEAD_S: Final = 60.0
"""Before its end a token is told to be expiring; at half of what is left, where that is less."""


class Expiry:
    """The timer of one connection, by the token that it has at the time of `start`.

    From the token's end on the connection is `is_expired`: frames of its jobs go on, and it can do nothing but renew
    its token, for `grace_s`; then it is closed with 4401.
    """

    def __init__(self, connection: Connection, grace_s: float, *, clock: Callable[[], float] = time.time) -> None:
        self._connection = connection
        self._grace_s = grace_s
        self._clock = clock
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begins, or begins anew for the newest token."""
        self.cancel()
        self._connection.is_expired = False
        expires = self._connection.principal.expires
        if expires is None:
            return
        left_s = expires - self._clock()
        if self._connection.speaks_v1 and left_s > 0:
            self._at(expires - min(AHEAD_S, left_s / 2), self._announce, expires)
        else:
            self._at(expires, self._expire, expires)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _at(self, moment: float, step: Callable[[float], None], expires: float) -> None:
        """Does a step at that time, in Unix seconds."""
        delay_s = max(0.0, moment - self._clock())
        self._timer = asyncio.get_running_loop().call_later(delay_s, step, expires)

    def _announce(self, expires: float) -> None:
        self._connection.outbox.put(frames.token_expiring(expires, self._clock()))
        self._at(expires, self._expire, expires)

    def _expire(self, expires: float) -> None:
        self._connection.is_expired = True
        self._at(expires + self._grace_s, self._close, expires)

    def _close(self, _: float) -> None:
        self._connection.outbox.close(Close.TOKEN_EXPIRED, "the token expired")
