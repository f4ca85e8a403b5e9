"""Clients that cost little: sockets that keep a number of requests in flight and count the answers."""

import asyncio
import base64
import itertools
import os
import struct
from typing import Final, TypeVar

AT_ONCE: Final = 50
TEXT: Final = 0x81
PING: Final = 0x89
_PONG: Final = 0x8A
_REQUEST: Final = (
    b'{"type":"request","id":"%d","action":"benchmark_echo","payload":{"message":"a message of an ordinary length"}}'
)


S = TypeVar("S", bound="Socket")


class Socket(asyncio.Protocol):
    """One WebSocket: shakes hands, answers pings, and hands the text frames of each read to `taken`."""

    subprotocol: str | None = None

    def __init__(self, token: str) -> None:
        self.open: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._token = token
        self._received = bytearray()

    def taken(self, texts: list[bytearray]) -> None:
        """Text frames, in order."""

    def send(self, *texts: bytes) -> None:
        self.transport.write(b"".join(_masked(TEXT, text) for text in texts))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        head = [
            "GET /ws HTTP/1.1",
            "Host: 127.0.0.1",
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            f"Authorization: Bearer {self._token}",
        ]
        if self.subprotocol is not None:
            head.append(f"Sec-WebSocket-Protocol: {self.subprotocol}")
        transport.write("\r\n".join((*head, "", "")).encode())

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self.open.done() and not self._shook_hands():
            return
        self._frames()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.open.done():
            self.open.set_exception(exc or ConnectionError(f"refused: {bytes(self._received[:200])!r}"))

    def close(self) -> None:
        self.transport.abort()

    def _shook_hands(self) -> bool:
        head, end, rest = bytes(self._received).partition(b"\r\n\r\n")
        if not end:
            return False
        self._received = bytearray(rest)
        if head.startswith(b"HTTP/1.1 101"):
            self.open.set_result(None)
            return True
        self.open.set_exception(ConnectionError(f"refused: {head!r}"))
        return False

    def _frames(self) -> None:
        texts = []
        received = self._received
        while (frame := _frame(received)) is not None:
            opcode, start, end = frame
            body = received[start:end]
            del received[:end]
            if opcode == TEXT:
                texts.append(body)
            elif opcode == PING:
                self.transport.write(_masked(_PONG, bytes(body)))
        if texts:
            self.taken(texts)


class Asker(Socket):
    """Keeps requests in flight. `answered` counts responses, `others` every other text frame but `welcome`."""

    numbers = itertools.count()  # ids are unique: a repeated one would be answered from the node's memory

    def __init__(self, depth: int, token: str) -> None:
        super().__init__(token)
        self.answered = 0
        self.others = 0
        self._depth = depth

    def start(self) -> None:
        self._ask(self._depth)

    def taken(self, texts: list[bytearray]) -> None:
        answered = sum(b'"type":"response"' in text for text in texts)
        self.others += sum(b'"type":"welcome"' not in text for text in texts) - answered
        self.answered += answered
        self._ask(answered)

    def _ask(self, count: int) -> None:
        self.send(*(_REQUEST % next(self.numbers) for _ in range(count)))


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


async def connected(port: int, count: int, depth: int, token: str) -> list[Asker]:
    """`count` open sockets, each ready to keep `depth` requests in flight."""
    return await opened(port, [Asker(depth, token) for _ in range(count)])


async def opened(port: int, sockets: list[S]) -> list[S]:
    """Connects them, a few at a time."""
    for start in range(0, len(sockets), AT_ONCE):
        await asyncio.gather(*(_open(port, socket) for socket in sockets[start : start + AT_ONCE]))
    return sockets


async def _open(port: int, socket: Socket) -> None:
    await asyncio.get_running_loop().create_connection(lambda: socket, "127.0.0.1", port)
    await socket.open
