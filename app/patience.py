"""Connections that take too long to say what they want: uvicorn waits for a request's headers for ever."""

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.auto import AutoHTTPProtocol

_Protocol: Final[Any] = AutoHTTPProtocol


def patient(limit_s: float) -> type[asyncio.Protocol]:
    """The protocol that uvicorn would choose, which closes a connection whose next request's headers are not complete
    within `limit_s` of its beginning, and at most as much again."""

    class Patient(_Protocol):  # type: ignore[misc]  # which of two classes it is, is known when uvicorn is imported
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._answered: Any = None  # the last request whose answer was complete when we looked
            self._look_later()

        def connection_lost(self, error: Exception | None) -> None:
            self._looking.cancel()
            super().connection_lost(error)

        def _look_later(self) -> None:
            self._looking = asyncio.get_running_loop().call_later(limit_s, self._look)

        def _look(self) -> None:
            if self.transport.is_closing() or self.transport.get_protocol() is not self:
                return  # it is a WebSocket by now
            if self.cycle is self._answered:  # None: there was no request at all
                self.transport.close()
                return
            if self.cycle.response_complete:
                self._answered = self.cycle
            self._look_later()

    return Patient
