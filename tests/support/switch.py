"""A load balancer that can fall: one address before several nodes, whose connections a test cuts."""

import asyncio
import contextlib
import itertools
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

PIECE: Final = 65_536

Address = tuple[str, int]
"""Host and port."""


class Switch:
    """Passes each new connection on to the next of the nodes that is up; `cut` resets all that are open."""

    def __init__(self, urls: Sequence[str]) -> None:
        self._targets: Sequence[Address] = ()
        self._next: Iterator[Address] = iter(())  # of the targets, over and over
        self.point_to(urls)
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.passed_on = 0  # connections so far

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def point_to(self, urls: Sequence[str]) -> None:
        """New connections go to these nodes; those that are open stay where they are."""
        self._targets = [(parts.hostname or "", parts.port or 80) for parts in map(urlsplit, urls)]
        self._next = itertools.cycle(self._targets)

    def cut(self) -> None:
        """Every connection ends in the middle of whatever is said on it, without a close frame."""
        for writer in self._writers:
            writer.transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        try:
            await self._connect(reader, writer)
        finally:
            self._writers.discard(writer)
            self._tasks.discard(task)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in self._targets:
            with contextlib.suppress(OSError):
                there, back = await asyncio.open_connection(*next(self._next))
                break
        else:
            return
        self.passed_on += 1
        self._writers.add(back)
        try:
            async with asyncio.TaskGroup() as group:
                pumps = [group.create_task(_pump(reader, back)), group.create_task(_pump(there, writer))]
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                writer.transport.abort()
                back.transport.abort()
        finally:
            self._writers.discard(back)
            back.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(PIECE):
            writer.write(piece)
            await writer.drain()
