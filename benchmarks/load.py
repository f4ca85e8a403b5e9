"""Clients that cost little: sockets that keep a number of requests in flight and count the answers."""

import asyncio
import base64
import itertools
import os
import struct
from typing import Final

TEXT: Final = 0x81
PING: Final = 0x89
_PONG: Final = 0x8A
_REQUEST: Final = (
    b'{"type":"request","id":"%d","action":"benchmark_echo","payload":{"message":"a message of an ordinary length"}}'
)


class Socket(asyncio.Protocol):
    """One WebSocket. `answered` counts responses, `others` every other text frame but `welcome`."""

    numbers = itertools.count()  # ids are unique: a repeated one would be answered from the node's memory

    def __init__(self, depth: int, token: str) -> None:
        self.answered = 0
        self.others = 0
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._depth = depth
        self._token = token
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        head = (
            "GET /ws HTTP/1.1",
            "Host: 127.0.0.1",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            f"Authorization: Bearer {self._token}",
        )
        transport.write("\r\n".join((*head, "", "")).encode())

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self.open.done():
            self._handshake()
        else:
            self._frames()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.open.done():
            self.open.set_exception(exc or ConnectionError(f"refused: {bytes(self._received[:200])!r}"))

    def start(self) -> None:
        self._send(self._depth)

    def close(self) -> None:
        self._transport.abort()

    def _handshake(self) -> None:
        head, end, rest = bytes(self._received).partition(b"\r\n\r\n")
        if not end:
            return
        self._received = bytearray(rest)
        if head.startswith(b"HTTP/1.1 101"):
            self.open.set_result(None)
        else:
            self.open.set_exception(ConnectionError(f"refused: {head!r}"))

    def _frames(self) -> None:
        answered = 0
        received = self._received
        while (frame := _frame(received)) is not None:
            opcode, start, end = frame
            body = received[start:end]
            del received[:end]
            if opcode == TEXT and b'"type":"response"' in body:
                answered += 1
            elif opcode == TEXT and b'"type":"welcome"' not in body:
                self.others += 1
            elif opcode == PING:
                self._transport.write(_masked(_PONG, bytes(body)))
        self.answered += answered
        self._send(answered)

    def _send(self, count: int) -> None:
        self._transport.write(b"".join(_masked(TEXT, _REQUEST % next(self.numbers)) for _ in range(count)))


def _frame(data: bytearray) -> tuple[int, int, int] | None:
    """(opcode, start, end) of the first whole frame; a server's are not masked."""
    if len(data) < 2 or (data[1] == 126 and len(data) < 4):
        return None
    size, start = data[1], 2
    if size == 126:
        size, start = struct.unpack_from("!H", data, 2)[0], 4
    return (data[0], start, start + size) if len(data) >= start + size else None


def _masked(opcode: int, body: bytes) -> bytes:
    """A client's frame; masked with zeros, which costs us nothing and the server what every mask does."""
    head = (
        struct.pack("!BB", opcode, 0x80 | len(body))
        if len(body) < 126
        else struct.pack("!BBH", opcode, 0xFE, len(body))
    )
    return head + b"\0\0\0\0" + body


async def connected(port: int, count: int, depth: int, token: str) -> list[Socket]:
    """`count` open sockets, each ready to keep `depth` requests in flight."""
    loop = asyncio.get_running_loop()
    sockets = [(await loop.create_connection(lambda: Socket(depth, token), "127.0.0.1", port))[1] for _ in range(count)]
    await asyncio.gather(*(socket.open for socket in sockets))
    return sockets
