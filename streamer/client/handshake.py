"""Opening a session: the handshake, and what a refusal says."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import orjson
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_socket
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.http11 import Response
from websockets.typing import Subprotocol

from streamer.client import events
from streamer.client.errors import CannotConnect, HandshakeRefused
from streamer.client.session import Session, lost
from streamer.protocol.codes import VERSION_1

MAX_FRAME_BYTES: Final = 8 * 1024 * 1024
"""The largest frame that a client takes: results may be larger than the server lets payloads be."""
CLOSE_S: Final = 5.0
"""How long closing waits for the node's part of it."""
DEFAULT_PATH: Final = "/ws"

_SCHEMES: Final = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


@asynccontextmanager
async def connect(url: str, token: str | None = None, *, open_timeout_s: float = 10.0) -> AsyncIterator[Session]:
    """A session with the node at `url` (`ws`, `wss`, `http` or `https`; the path defaults to `/ws`).

    `token` is a JWT, sent in the Authorization header. Raises CannotConnect, and HandshakeRefused with the
    server's code. Leaving the block closes the connection; requests that are still open raise ConnectionLost.
    """
    socket, welcome = await _open(address(url), token, open_timeout_s)
    session = Session(socket, welcome)
    session.start()
    try:
        yield session
    finally:
        await session.close()


def address(url: str) -> str:
    """The WebSocket URL of a node, from what people type. Raises CannotConnect."""
    parts = urlsplit(url)
    if parts.scheme not in _SCHEMES or not parts.netloc:
        raise CannotConnect(f"{url} is not a URL that begins with ws://, wss://, http:// or https://.")
    path = DEFAULT_PATH if parts.path in ("", "/") else parts.path
    return urlunsplit((_SCHEMES[parts.scheme], parts.netloc, path, parts.query, ""))


async def _open(url: str, token: str | None, open_timeout_s: float) -> tuple[ClientConnection, events.Welcome]:
    try:
        async with asyncio.timeout(open_timeout_s):
            socket = await open_socket(url, **_arguments(url, token))
            return socket, await _welcome(url, socket)
    except InvalidStatus as refusal:
        raise refused(refusal.response) from refusal
    except TimeoutError as error:
        raise CannotConnect(f"{url} did not answer within {open_timeout_s:g} s.") from error
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
        "open_timeout": None,  # _open has one over everything
        "proxy": None if urlsplit(url).hostname in _LOOPBACK else True,
    }


async def _welcome(url: str, socket: ClientConnection) -> events.Welcome:
    """Waits for the node's first frame; closes the socket unless it is a `welcome`."""
    welcome = None
    try:
        if socket.subprotocol == VERSION_1:
            welcome = events.welcome(events.read(await socket.recv(decode=False)))
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
