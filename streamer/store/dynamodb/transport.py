"""The connections below a client of the SDK."""

from types import TracebackType
from typing import Any

from aiobotocore.httpsession import AIOHTTPSession


class Transport(AIOHTTPSession):
    """Stays closed. The SDK's own would open connections anew for a call that tries again after the end (one is cut off
    by that very end), and nobody closes those.
    """

    _is_closed = False

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_closed = True
        await super().__aexit__(kind, error, trace)

    async def send(self, request: Any) -> Any:
        """Raises ConnectionError after the end."""
        if self._is_closed:
            raise ConnectionError("the client is closed")
        return await super().send(request)
