"""A proxy that breaks chosen HTTP calls: between a process and DynamoDB Local, or between a worker and a node.

    async with FaultProxy(dynamodb.url) as proxy:
        proxy.on("UpdateItem", DropAnswer(), call=2)      # the second from now is applied, its answer never comes
        proxy.on("PutItem", Answer(400, "ThrottlingException"), onwards=True)
        ...
        proxy.cut()                                        # nothing gets through
        proxy.heal()

An operation is what `X-Amz-Target` names (`UpdateItem`), else the path (`/internal/deliver`); ANY is every one.
"""

import asyncio
import json
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from tests.support.http_message import HttpMessage, read_answer, read_request

ANY: Final = "*"


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset; the upstream never hears of the call."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Nothing happens until the caller gives up; the upstream never hears of the call."""


@dataclass(frozen=True, slots=True)
class Delay:
    """The call is passed on late."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Answer:
    """This answer comes instead; the upstream never hears of the call."""

    status: int
    error_type: str = ""  # of an AWS service, e.g. ThrottlingException
    body: bytes | None = None  # None: AWS's JSON with the error type

    def encoded(self) -> bytes:
        error = {"__type": f"com.amazonaws.dynamodb.v20120810#{self.error_type}", "message": "made by the fault proxy"}
        body = json.dumps(error).encode() if self.body is None else self.body
        head = (
            f"HTTP/1.1 {self.status} Fault\r\ncontent-type: application/x-amz-json-1.0\r\n"
            f"x-amzn-errortype: {self.error_type}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(frozen=True, slots=True)
class DropAnswer:
    """The upstream applies the call; its answer is lost and the connection reset."""


Fault = Reset | Hang | Delay | Answer | DropAnswer


@dataclass(slots=True)
class Rule:
    """When a fault happens: at the `call`-th call of the operation since the rule was made, and `onwards`.

    Only calls whose body has the bytes `within` count.
    """

    operation: str
    fault: Fault
    call: int
    onwards: bool
    within: bytes = b""
    odds: Callable[[], bool] | None = None  # whether it happens this time; None: always
    seen: int = 0  # calls of the operation since the rule was made
    hits: int = 0  # of those, how many it broke

    def strikes(self, operation: str, raw: bytes) -> bool:
        if self.operation not in (ANY, operation) or self.within not in raw:
            return False
        self.seen += 1
        struck = self.seen >= self.call if self.onwards else self.seen == self.call
        struck = struck and (self.odds is None or self.odds())
        self.hits += struck
        return struck


@dataclass(slots=True)
class _Upstream:
    """The connection on which one client's calls are passed on; made anew where the upstream closed it."""

    host: str
    port: int
    reader: StreamReader | None = None
    writer: StreamWriter | None = None

    async def exchange(self, request: HttpMessage) -> HttpMessage:
        if self.reader is None or self.writer is None or self.reader.at_eof():
            self.close()
            self.reader, self.writer = await asyncio.open_connection(self.host, self.port)
        self.writer.write(request.raw)
        answer = await read_answer(self.reader, request.start.split(" ")[0])
        if not answer.keeps_alive:
            self.close()
        return answer

    def close(self) -> None:
        if self.writer is not None:
            self.writer.transport.abort()
        self.reader = self.writer = None


@dataclass(slots=True)
class _Line:
    """Whether anything gets through: open, silent (everything waits), or refusing (everything is reset)."""

    open: asyncio.Event = field(default_factory=asyncio.Event)
    refusing: bool = False


class FaultProxy:
    """One listener on 127.0.0.1 in front of one upstream. A context manager; nothing of it outlives the block."""

    def __init__(self, upstream_url: str) -> None:
        parts = urlsplit(upstream_url)
        if parts.hostname is None or parts.port is None:
            raise ValueError(f"an upstream has a host and a port, not {upstream_url!r}")
        self._host, self._port = parts.hostname, parts.port
        self._server: asyncio.Server | None = None  # None before start
        self._clients: dict[asyncio.Task[None], StreamWriter] = {}
        self._rules: list[Rule] = []
        self._line = _Line()
        self._line.open.set()
        self.calls: Counter[str] = Counter()  # by operation: what clients asked for
        self.applied: Counter[str] = Counter()  # by operation: what the upstream answered

    @property
    def url(self) -> str:
        assert self._server is not None, "the proxy is not started"
        port: int = self._server.sockets[0].getsockname()[1]
        return f"http://127.0.0.1:{port}"

    def on(
        self,
        operation: str,
        fault: Fault,
        *,
        call: int = 1,
        onwards: bool = False,
        within: str = "",
        odds: Callable[[], bool] | None = None,
    ) -> Rule:
        """From now on the `call`-th call of the operation meets the fault; with `onwards` each after it too.

        With `within` only calls count that have this text in them, for instance the key of one row. With `odds` the
        fault happens only when they are true at that time.
        """
        rule = Rule(operation, fault, call, onwards, within.encode(), odds)
        self._rules.append(rule)
        return rule

    def off(self, rule: Rule) -> None:
        """Forgets this rule; its counts stand."""
        if rule in self._rules:
            self._rules.remove(rule)

    def clear(self) -> None:
        """Forgets every rule."""
        self._rules.clear()

    def cut(self, *, refuse: bool = False) -> None:
        """Nothing gets through: calls and answers wait, or with `refuse` every connection is reset."""
        self._line.open.clear()
        self._line.refusing = refuse
        if refuse:
            for writer in self._clients.values():
                _reset(writer)

    def heal(self) -> None:
        """What waited goes on, where its caller is still there."""
        self._line.refusing = False
        self._line.open.set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        clients = list(self._clients)
        for task in clients:
            task.cancel()
        await asyncio.gather(*clients, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        task.set_name("fault-proxy-client")
        self._clients[task] = writer
        upstream = _Upstream(self._host, self._port)
        try:
            while await self._one_call(reader, writer, upstream):
                pass
            writer.close()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            _reset(writer)  # a fault, a client or an upstream that went away, or the stop of this proxy
        finally:
            upstream.close()
            del self._clients[task]

    async def _one_call(self, reader: StreamReader, writer: StreamWriter, upstream: _Upstream) -> bool:
        """Reads and settles one call. False where the client wants no more; ConnectionError where it gets a reset."""
        if self._line.refusing:
            raise ConnectionResetError
        request = await read_request(reader)
        operation = _operation(request)
        self.calls[operation] += 1
        fault = self._fault(operation, request.raw)
        await self._line.open.wait()
        if isinstance(fault, Hang):
            await reader.read()
        if isinstance(fault, Hang | Reset) or reader.at_eof():
            raise ConnectionResetError
        if isinstance(fault, Answer):
            await _send(writer, fault.encoded())
            return request.keeps_alive
        if isinstance(fault, Delay):
            await asyncio.sleep(fault.seconds)
        answer = await upstream.exchange(request)
        self.applied[operation] += 1
        if isinstance(fault, DropAnswer):
            raise ConnectionResetError
        await self._line.open.wait()
        await _send(writer, answer.raw)
        return request.keeps_alive and answer.keeps_alive

    def _fault(self, operation: str, raw: bytes) -> Fault | None:
        struck = [rule.fault for rule in self._rules if rule.strikes(operation, raw)]
        return struck[0] if struck else None


def _operation(request: HttpMessage) -> str:
    target = request.headers.get("x-amz-target")
    return request.path if target is None else target.rpartition(".")[2]


async def _send(writer: StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


def _reset(writer: StreamWriter) -> None:
    """Closes with RST: what is unread is lost, and the peer sees an error, not an end."""
    sock: socket.socket | None = writer.get_extra_info("socket")
    if sock is not None and not writer.transport.is_closing():
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
