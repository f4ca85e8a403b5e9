"""One HTTP/1.1 message as it came: its head parsed, its bytes kept."""

from asyncio import StreamReader
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HttpMessage:
    start: str  # request line or status line
    headers: Mapping[str, str]  # names in lower case
    raw: bytes  # the whole message, to be passed on

    @property
    def path(self) -> str:
        """Of a request, without its query."""
        return self.start.split(" ")[1].partition("?")[0]

    @property
    def status(self) -> int:
        """Of an answer."""
        return int(self.start.split(" ")[1])

    @property
    def keeps_alive(self) -> bool:
        """Whether another message may follow on the same connection."""
        return self.headers.get("connection", "").lower() != "close" and "HTTP/1.0" not in self.start


async def read_request(reader: StreamReader) -> HttpMessage:
    """Raises IncompleteReadError where the connection ends first."""
    start, headers, head = await _head(reader)
    return HttpMessage(start, headers, head + await _body(reader, headers, until_closed=False))


async def read_answer(reader: StreamReader, method: str) -> HttpMessage:
    """The final answer: interim ones (1xx) are skipped."""
    while True:
        start, headers, head = await _head(reader)
        status = int(start.split(" ")[1])
        if status >= 200:
            break
    if method == "HEAD" or status in (204, 304):
        return HttpMessage(start, headers, head)
    return HttpMessage(start, headers, head + await _body(reader, headers, until_closed=True))


async def _head(reader: StreamReader) -> tuple[str, Mapping[str, str], bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    start, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return start, {name.strip().lower(): value.strip() for name, _, value in pairs}, head


async def _body(reader: StreamReader, headers: Mapping[str, str], *, until_closed: bool) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _chunks(reader)
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"]))
    return await reader.read() if until_closed else b""


async def _chunks(reader: StreamReader) -> bytes:
    parts = []
    while True:
        size = await reader.readuntil(b"\r\n")
        length = int(size.split(b";")[0], 16)
        parts += [size, await reader.readexactly(length + 2) if length else await _trailers(reader)]
        if length == 0:
            return b"".join(parts)


async def _trailers(reader: StreamReader) -> bytes:
    lines = b""
    while True:
        line = await reader.readuntil(b"\r\n")
        lines += line
        if line == b"\r\n":
            return lines
