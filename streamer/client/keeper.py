"""Keeping a session connected, from socket to socket."""

import logging
from typing import Final

from streamer.client.clock import Clock
from streamer.client.errors import CannotConnect, ConnectionLost, HandshakeRefused
from streamer.client.handshake import Dialer, Opened
from streamer.client.identity import Identity
from streamer.client.link import NO_CLOSE_FRAME
from streamer.client.requests import Requests
from streamer.client.visit import Visit
from streamer.protocol.codes import Close

LONGEST_PAUSE_S: Final = 20.0
FIRST_PAUSE_S: Final = 0.5
_MOST_DOUBLINGS: Final = 10  # far beyond the longest pause
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403

log = logging.getLogger(__name__)


class Keeper:
    """Dials again when a socket is lost, as the protocol asks: spread over the server's window at first, then with
    full jitter, rarer and rarer up to 20 s.

    `reconnect` False: the first loss is the end. `give_up_after_s`: so long after a loss no further try begins.
    """

    def __init__(
        self,
        dialer: Dialer,
        opened: Opened,
        requests: Requests,
        *,
        reconnect: bool,
        give_up_after_s: float | None,
        clock: Clock,
    ) -> None:
        self.identity = Identity(opened.welcome)
        self.loss = ConnectionLost(NO_CLOSE_FRAME)  # how the newest socket ended
        self._dialer = dialer
        self._requests = requests
        self._reconnect = reconnect
        self._give_up_after_s = give_up_after_s
        self._clock = clock
        self._newest = self._visit(opened)
        self._failures = 0  # tries since the node of a socket knew what we wait for
        self._lost_at: float | None = None  # since when there is no such node; None: there is one

    @property
    def visit(self) -> Visit | None:
        """Where the session is; None between two sockets."""
        return None if self._newest.is_over else self._newest

    async def run(self) -> ConnectionLost:
        """Returns why it is over: the session cannot come back, or is not to."""
        try:
            while True:
                self.loss = await self._newest.run()
                self._requests.detach()
                opened = await self._come_back(self._newest)
                self.identity.came_back(opened.welcome)
                self._newest = self._visit(opened)
        except ConnectionLost as over:
            return over

    def _visit(self, opened: Opened) -> Visit:
        return Visit(opened, self._dialer.tokens, self._requests, self.identity, self._clock, may_leave=self._reconnect)

    def stop(self) -> None:
        """The next loss is the end."""
        self._reconnect = False

    async def _come_back(self, visit: Visit) -> Opened:
        """Raises ConnectionLost where that is not to be, or has lasted too long."""
        if not self._may_come_back(visit):
            raise self.loss
        if not visit.has_left:
            log.info("%s Reconnecting.", self.loss)
        self._count(visit)
        pause_s = self._later_pause_s() if self._failures else self._first_pause_s(visit)
        refused: CannotConnect | None = None
        while self._has_time(pause_s):
            await self._clock.sleep(pause_s)
            try:
                return await self._dialer.dial()
            except CannotConnect as again:
                refused = again
            self._judge(refused)
            self._failures += 1
            pause_s = max(self._later_pause_s(), _asked_pause_s(refused))
        raise ConnectionLost(self.loss.code, f"gave up after {self._give_up_after_s:g} s") from refused

    def _may_come_back(self, visit: Visit) -> bool:
        if visit.has_left or not self._reconnect:
            return self._reconnect
        needs_token = self.loss.code == Close.TOKEN_EXPIRED
        return self.loss.may_reconnect and (not needs_token or self._dialer.tokens.may_change)

    def _count(self, visit: Visit) -> None:
        """A node that took us in and ended it before it had answered counts as one that did not take us in."""
        if visit.is_settled:
            self._failures, self._lost_at = 0, None
        else:
            self._failures += 1
        if self._lost_at is None:
            self._lost_at = self._clock.now()

    def _judge(self, refused: CannotConnect) -> None:
        """Raises ConnectionLost where trying again is in vain."""
        log.debug("cannot come back yet: %s", refused)
        if not isinstance(refused, HandshakeRefused):
            return
        if refused.status == _UNAUTHORIZED and not self._dialer.tokens.may_change:
            raise ConnectionLost(Close.TOKEN_REJECTED, str(refused)) from refused
        if refused.status == _FORBIDDEN:
            raise ConnectionLost(Close.FORBIDDEN, str(refused)) from refused

    def _has_time(self, pause_s: float) -> bool:
        if self._give_up_after_s is None or self._lost_at is None:
            return True
        return self._clock.now() + pause_s - self._lost_at <= self._give_up_after_s

    def _first_pause_s(self, visit: Visit) -> float:
        if visit.leaves_at is not None:
            return max(0.0, visit.leaves_at - self._clock.now())
        return self._clock.between(*self.identity.welcome.reconnect)

    def _later_pause_s(self) -> float:
        doublings = min(self._failures, _MOST_DOUBLINGS)
        return self._clock.between(0.0, min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**doublings))


def _asked_pause_s(refused: CannotConnect) -> float:
    """What the node's Retry-After asks for."""
    return (isinstance(refused, HandshakeRefused) and refused.retry_after_s) or 0.0
