"""Opening a socket: the handshake, and what a refusal says."""

import asyncio
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit, urlunsplit

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.http11 import Response
from websockets.typing import Subprotocol

from streamer.client import control, events
from streamer.client.control import Welcome
from streamer.client.errors import CannotConnect, HandshakeRefused
from streamer.client.link import lost
from streamer.client.tokens import Tokens
from streamer.protocol.codes import VERSION_1

MAX_FRAME_BYTES: Final = 8 * 1024 * 1024
"""The largest frame that a client takes: results may be larger than the server lets payloads be."""
CLOSE_S: Final = 5.0
"""How long closing waits for the node's part of it."""
DEFAULT_PATH: Final = "/ws"

_SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Opened(NamedTuple):
    """A socket whose node has said welcome, and the token that it took."""

    socket: ClientConnection
    welcome: Welcome
    token: str | None


class Dialer:
    """Opens sockets to one address, each with the token of its moment."""

    def __init__(self, url: str, tokens: Tokens, open_timeout_s: float) -> None:
        self.tokens = tokens
        self._url = url
        self._open_timeout_s = open_timeout_s

    async def dial(self) -> Opened:
        """Raises CannotConnect, and HandshakeRefused with the server's code."""
        token = await self.tokens.next()
        try:
            async with asyncio.timeout(self._open_timeout_s):
                return await _open(self._url, token)
        except TimeoutError as error:
            raise CannotConnect(f"{self._url} did not answer within {self._open_timeout_s:g} s.") from error


def address(url: str) -> str:
    """The WebSocket URL of a node, from what people type. Raises CannotConnect."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.netloc:
        raise CannotConnect(f"{url} is not a URL that begins with ws://, wss://, http:// or https://.")
    path = DEFAULT_PATH if parts.path in ("", "/") else parts.path
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, parts.query, ""))


async def _open(url: str, token: str | None) -> Opened:
    try:
        socket = await open_socket(url, **_arguments(url, token))
        return Opened(socket, await _welcome(url, socket), token)
    except InvalidStatus as refusal:
        raise refused(refusal.response) from refusal
    except ConnectionClosed as closed:
        raise CannotConnect(f"{url} accepted the connection and ended it: {lost(closed)}") from closed
    except ConnectionRefusedError as error:
        raise CannotConnect(f"Cannot connect to {url}: nobody listens there.") from error
    except (OSError, InvalidHandshake, InvalidURI) as error:
        raise CannotConnect(f"Cannot connect to {url}: {error}.") from error


def _arguments(url: str, token: str | None) -> dict[str, Any]:
    return {
        "subprotocols": [Subprotocol(VERSION_1)],
        "additional_headers": {} if token is None else {"Authorization": f"Bearer {token}"},
        "max_size": MAX_FRAME_BYTES,
        "compression": None,  # frames are small; deflate costs more time per frame than it saves
        "close_timeout": CLOSE_S,
        "open_timeout": None,  # the dialer has one over everything
        "ping_interval": None,  # the link's own heartbeat finds out what a keep-alive would
        "proxy": None if urlsplit(url).hostname in _LOOPBACK else True,
    }


async def _welcome(url: str, socket: ClientConnection) -> Welcome:
    """Waits for the node's first frame; closes the socket unless it is a `welcome`."""
    welcome = None
    try:
        if socket.subprotocol == VERSION_1:
            welcome = control.welcome(events.read(await socket.recv(decode=False)))
    except ValueError:
        welcome = None
    finally:
        if welcome is None:
            await socket.close()
    if welcome is None:
        raise CannotConnect(f"{url} does not speak {VERSION_1}.")
    return welcome


def refused(response: Response) -> HandshakeRefused:
    """The refusal as an error: the server's own code and words where it sent them."""
    body = _body(response)
    return HandshakeRefused(
        str(body.get("code", f"HTTP_{response.status_code}")),
        str(body.get("error", response.reason_phrase)),
        status=response.status_code,
        retry_after_s=_seconds(response.headers.get("Retry-After")),
    )


def _body(response: Response) -> dict[str, Any]:
    try:
        body = orjson.loads(response.body or b"{}")
    except orjson.JSONDecodeError:
        return {}
    return body if isinstance(body, dict) else {}


def _seconds(value: str | None) -> float | None:
    return float(value) if value is not None and value.isdigit() else None
