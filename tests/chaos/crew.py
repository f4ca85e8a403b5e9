"""The processes of a run: as many as there should be, as an orchestrator keeps them; whoever ends is replaced."""

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Final, Self

from tests.chaos.actions import QUIT
from tests.support.dynamodb_local import environment
from tests.support.fault_proxy import FaultProxy
from tests.support.processes import Process
from tests.support.switch import Switch
from tests.support.system import System

TICK_S: Final = 0.2
READY: Final[Mapping[str, str]] = {"app": "node_ready", "worker": "worker_ready"}


class Nobody(Exception):
    """There is no process that this could happen to at the moment."""


@dataclass(slots=True, eq=False)
class Member:
    """One process, and its own way to the store."""

    kind: str
    process: Process
    proxy: FaultProxy | None  # None: its store is a file
    end: AsyncExitStack  # closes the proxy
    url: str = ""  # of a node that listens
    is_ready: bool = False
    in_trouble: bool = False  # stands still, or is about to end
    expected: set[int] = field(default_factory=set)  # exit codes by which it may end

    def kill(self) -> None:
        self.in_trouble = True
        self.expected.add(-9)
        self.process.kill()

    def terminate(self) -> None:
        self.in_trouble = True
        self.expected.add(0)
        self.process.terminate()


class Crew:
    """Starts processes, tells the switch which nodes take clients, and notes who ended without being asked to.

    A context manager, for the ways to the store; the processes belong to the system.
    """

    def __init__(self, system: System, switch: Switch, wanted: Mapping[str, int], upstream: str | None) -> None:
        self.members: list[Member] = []
        self.ended_by_itself: list[str] = []
        self.calls: Counter[str] = Counter()  # of the store, by operation, of processes that have ended
        self._system = system
        self._switch = switch
        self._wanted = wanted
        self._upstream = upstream  # the store's URL; None: a file

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for member in self.members:
            await member.end.aclose()

    async def keep(self) -> None:
        """Until it is cancelled."""
        while True:
            await self.tend()
            await asyncio.sleep(TICK_S)

    async def tend(self) -> None:
        """Buries who has ended, starts who is missing, finds out who is ready."""
        for member in [member for member in self.members if member.process.exit_code is not None]:
            await self._bury(member)
        for kind, count in self._wanted.items():
            staying = [member for member in self.members if member.kind == kind and not member.expected]
            for _ in range(count - len(staying)):
                await self._hire(kind)
        for member in self.members:
            if not member.is_ready:
                self._find_out(member)
        self._switch.point_to([node.url for node in self.members if node.url and not node.expected])

    @property
    def is_complete(self) -> bool:
        """Whether as many as there should be are ready, and nobody else is there."""
        there = Counter(member.kind for member in self.members if member.is_ready)
        return there == Counter(self._wanted) and len(self.members) == there.total()

    @contextmanager
    def victim(self, kind: str, chance: Random) -> Iterator[Member]:
        """A process to which nothing is happening yet; nothing else will meanwhile. Raises Nobody."""
        free = [each for each in self.members if each.kind == kind and each.is_ready and not each.in_trouble]
        if not free:
            raise Nobody
        member = chance.choice(free)
        member.in_trouble = True
        try:
            yield member
        finally:
            member.in_trouble = bool(member.expected)

    @property
    def has_proxies(self) -> bool:
        """Whether processes reach their store over the network."""
        return self._upstream is not None

    @property
    def proxies(self) -> list[FaultProxy]:
        return [member.proxy for member in self.members if member.proxy is not None]

    async def dismiss(self) -> None:
        """Workers first, so that nodes can still tell clients what they finish. Raises AssertionError where one does
        not end."""
        for kind in ("worker", "app"):
            leaving = [member for member in self.members if member.kind == kind]
            for member in leaving:
                member.terminate()
            for member in leaving:
                await member.process.ended(timeout_s=60)
                await self._bury(member)

    async def _hire(self, kind: str) -> None:
        end = AsyncExitStack()
        proxy = None if self._upstream is None else await end.enter_async_context(FaultProxy(self._upstream))
        process = self._system.start(kind, **(environment(proxy.url) if proxy else {}))
        self.members.append(Member(kind, process, proxy, end))

    async def _bury(self, member: Member) -> None:
        self.members.remove(member)
        if member.proxy is not None:
            self.calls += member.proxy.calls
        await member.end.aclose()
        code = member.process.exit_code
        may_quit = {QUIT} if member.kind == "worker" else set()
        if code not in member.expected | may_quit:
            self.ended_by_itself.append(f"{member.process.name} ended with {code}")

    def _find_out(self, member: Member) -> None:
        events = member.process.events("listening")
        if events and member.kind == "app":
            member.url = events[0]["url"]
        member.is_ready = bool(member.process.events(READY[member.kind]))
