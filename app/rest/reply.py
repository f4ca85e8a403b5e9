"""What is said to a connection whose answer is one HTTP response."""

import asyncio
import re
from collections.abc import Collection
from typing import Final

from app.outbox import Message

_KIND: Final = re.compile(r'\{"type":"(\w+)"')
_ENDS: Final = frozenset({"complete", "error"})


def kind_of(text: str) -> str | None:
    """The type of a frame; every frame of this node begins with it."""
    found = _KIND.match(text)
    return None if found is None else found[1]


class Reply:
    """Takes frames in the place of a socket. Made on the loop.

    * `first`: the first frame of one of `kinds`; None where the connection was closed before.
    * `outcome`: the `complete` or `error` after that; None where the connection was closed before.
    """

    def __init__(self, kinds: Collection[str]) -> None:
        loop = asyncio.get_running_loop()
        self.first: asyncio.Future[str | None] = loop.create_future()
        self.outcome: asyncio.Future[str | None] = loop.create_future()
        self._kinds = kinds

    async def send(self, message: Message) -> None:
        """ASGI's `send` of a socket; never waits."""
        if message["type"] == "websocket.close":
            self._closed()
        else:
            self._take(message["text"])

    def _take(self, text: str) -> None:
        kind = kind_of(text)
        if not self.first.done():
            if kind in self._kinds:
                self.first.set_result(text)
        elif kind in _ENDS and not self.outcome.done():
            self.outcome.set_result(text)

    def _closed(self) -> None:
        for awaited in (self.first, self.outcome):
            if not awaited.done():
                awaited.set_result(None)
