"""Several child processes that live and die together."""

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, STDOUT, Process
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

OnLine = Callable[[str, bytes], None]
"""Told of every line that a child prints: the child's name, and the line without its end."""

READ_BYTES: Final = 65_536
LAST_WORDS_S: Final = 1.0
"""How long the output of a child is still read after its end."""


@dataclass(frozen=True, slots=True)
class Role:
    """A process to run: what it is called and its command."""

    name: str
    command: Sequence[str]


@dataclass(frozen=True, slots=True)
class Ended:
    """A child that ended although nobody asked it to. `code` is negative for a signal."""

    name: str
    code: int


OnEnd = Callable[[Ended], None]
"""Told of a child that ended by itself."""


class Supervisor:
    """Runs its roles until `stop` is called or one of them ends; then all of them are stopped. With `on_end`, a child
    that ends is told of instead, and the others go on.

    Children have process groups of their own: Ctrl-C in the terminal reaches only the supervisor, which passes
    it on as SIGTERM. What still runs `kill_after_s` later is killed.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        *,
        on_line: OnLine,
        environ: Mapping[str, str],
        kill_after_s: float,
        on_end: OnEnd | None = None,
    ) -> None:
        self._roles = roles
        self._on_line = on_line
        self._environ = environ
        self._kill_after_s = kill_after_s
        self._on_end = on_end
        self._children: dict[str, Process] = {}  # filled by run, in the order of the roles
        self._readers: list[asyncio.Task[None]] = []  # of what the children print, one for each start
        self._stopping = asyncio.Event()
        self._starting = asyncio.Lock()  # held while children are started or awaited
        self._changed = asyncio.Event()  # there is another child than before

    async def run(self) -> Ended | None:
        """Returns when every child has ended: None after `stop`, else the child that ended first."""
        try:
            async with self._starting:
                for role in self._roles:
                    await self._start(role)
            return await self._until_one_ends()
        finally:
            async with self._starting:
                await self._end(self._children)
            await _read_to_the_end(self._readers)

    async def replace(self, name: str) -> None:
        """Stops the child of that name, and starts its role anew; not while all of them stop."""
        async with self._starting:
            if self._stopping.is_set():
                return
            role = next(role for role in self._roles if role.name == name)
            old = {name: self._children.pop(name)}
            self._changed.set()
            await self._end(old)
            await self._start(role)
            self._changed.set()

    def stop(self) -> None:
        """Asks every child to stop. Calling it again asks again, which a child takes for: at once."""
        self._stopping.set()
        self._signal(signal.SIGTERM)

    async def _start(self, role: Role) -> None:
        output, theirs = os.pipe()  # not asyncio's own, which ties the end of a child to the end of its output
        try:
            self._children[role.name] = await asyncio.create_subprocess_exec(
                *role.command, stdin=DEVNULL, stdout=theirs, stderr=STDOUT, env=self._environ, process_group=0
            )
        except OSError:
            os.close(output)
            raise
        finally:
            os.close(theirs)
        if self._stopping.is_set():
            self._signal(signal.SIGTERM)  # asked to stop while this one was being started
        self._readers.append(asyncio.create_task(self._read(role.name, output), name=f"read-{role.name}"))

    async def _read(self, name: str, output: int) -> None:
        stream = asyncio.StreamReader()
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(output, "rb")
        )
        try:
            async for line in lines(stream):
                self._on_line(name, line)
        except Exception:
            self.stop()  # a child that nobody reads would stop at the next full pipe
            raise
        finally:
            transport.close()

    async def _until_one_ends(self) -> Ended | None:
        told: set[Process] = set()  # children whose end `on_end` knows of
        while True:
            self._changed.clear()
            ended = await self._next_end({name: each for name, each in self._children.items() if each not in told})
            if self._stopping.is_set():
                return None
            if ended is not None and self._on_end is None:
                return ended
            if ended is not None and self._on_end is not None:
                told.add(self._children[ended.name])
                self._on_end(ended)

    async def _next_end(self, children: Mapping[str, Process]) -> Ended | None:
        """None where all are to stop, or there are other children by now."""
        ends = {asyncio.create_task(child.wait(), name=f"wait-{name}"): name for name, child in children.items()}
        stopped = asyncio.create_task(self._stopping.wait(), name="wait-stop")
        changed = asyncio.create_task(self._changed.wait(), name="wait-change")
        try:
            done, _ = await asyncio.wait({stopped, changed, *ends}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (stopped, changed, *ends):
                task.cancel()
        first = next((end for end in ends if end in done), None)
        return None if first is None or self._changed.is_set() else Ended(ends[first], first.result())

    async def _end(self, children: Mapping[str, Process]) -> None:
        if not self._stopping.is_set():  # else they were asked, and a second time means: at once
            _send(children, signal.SIGTERM)
        try:
            async with asyncio.timeout(self._kill_after_s):
                await _all_ended(children)
        except TimeoutError:
            _send(children, signal.SIGKILL)
            await _all_ended(children)

    def _signal(self, number: signal.Signals) -> None:
        _send(self._children, number)


async def _all_ended(children: Mapping[str, Process]) -> None:
    await asyncio.gather(*(child.wait() for child in children.values()))


def _send(children: Mapping[str, Process], number: signal.Signals) -> None:
    for child in children.values():
        if child.returncode is None:
            with suppress(ProcessLookupError):  # ended, and not yet noticed
                child.send_signal(number)


async def _read_to_the_end(readers: Collection[asyncio.Task[None]]) -> None:
    """Waits for the readers; not for long, since a child's own child may hold the pipe open."""
    if readers:
        await asyncio.wait(readers, timeout=LAST_WORDS_S)
    for reader in readers:
        reader.cancel()
    for outcome in await asyncio.gather(*readers, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


async def lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Lines of any length, without their ends; what the last one lacks is given as it is."""
    rest = b""
    while chunk := await stream.read(READ_BYTES):
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
    if rest:
        yield rest
