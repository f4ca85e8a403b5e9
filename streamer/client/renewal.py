"""A fresh token for a socket that stays."""

import logging
from collections.abc import Coroutine
from typing import Any, Final

from streamer.client import asking
from streamer.client.clock import Clock
from streamer.client.dialogue import Dialogue
from streamer.client.errors import CannotConnect
from streamer.client.events import Problem
from streamer.client.tokens import Tokens

log = logging.getLogger(__name__)

TRIES: Final = 30
"""With the pauses below more than a minute and a half: by then the node has closed the socket, or the clocks differ."""
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 5.0
"""Short beside the time between `token_expiring` and the end of the socket; each pause is from half of it up."""


class Renewal:
    """Gives the node the next token, as soon as there is one that it does not have; tries until the socket ends.

    Nothing else waits for it. Where it fails, the node closes with 4401, and the session comes back with a new token.
    """

    def __init__(self, tokens: Tokens, held: str | None, dialogue: Dialogue, clock: Clock) -> None:
        self._tokens = tokens
        self._useless = held  # what the node has, or does not want
        self._dialogue = dialogue
        self._clock = clock
        self._is_under_way = False

    def expiring(self) -> Coroutine[Any, Any, None] | None:
        """What is to be done about it, to be awaited; None where that goes on already, or there is no other token."""
        if self._is_under_way or not self._tokens.may_change:
            return None
        self._is_under_way = True
        return self._run()

    async def _run(self) -> None:
        """Returns when the node has taken a token, or after so many tries."""
        try:
            await self._renew()
        finally:
            self._is_under_way = False

    async def _renew(self) -> None:
        for tried in range(TRIES):
            refused = await self._try()
            if refused is None:
                return
            log.debug("no fresh token yet: %s", refused.message)
            longest_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**tried)
            pause_s = self._clock.between(longest_s / 2, longest_s)
            await self._clock.sleep(max(pause_s, (refused.after_ms or 0) / 1000))
        log.warning("The node has no fresh token after %d tries.", TRIES)

    async def _try(self) -> Problem | None:
        """Why the node has no fresh token; None: it has."""
        try:
            token = await self._tokens.next()
        except CannotConnect as error:
            return Problem("UNAUTHORIZED", str(error))
        if token is None or token == self._useless:
            return Problem("UNAUTHORIZED", "The token is still the old one.")
        refused = await self._dialogue.ask(asking.auth(token), heeded_by="authenticated")
        if refused is None or not refused.retryable:
            self._useless = token
        return refused
