"""Where the tokens of a session come from."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable

from streamer.client.errors import CannotConnect

Token = str | Callable[[], str | Awaitable[str]]
"""A JWT, or who makes one: called for every handshake, and when the node says that one is about to expire."""


class Tokens:
    """Asks whoever makes them, for at most `timeout_s` each time."""

    def __init__(self, token: Token | None, timeout_s: float) -> None:
        self._token = token
        self._timeout_s = timeout_s

    @property
    def may_change(self) -> bool:
        """Whether the next one may be another."""
        return callable(self._token)

    async def next(self) -> str | None:
        """The token of this moment; None where the session goes without. Raises CannotConnect."""
        if self._token is None or isinstance(self._token, str):
            return self._token
        try:
            async with asyncio.timeout(self._timeout_s):
                token = self._token()
                return await token if isawaitable(token) else token
        except TimeoutError as error:
            raise CannotConnect(f"There was no token within {self._timeout_s:g} s.") from error
        except Exception as error:  # the seam to the caller's own code, which may ask a server that is down
            raise CannotConnect(f"There is no token: {error!r}.") from error
