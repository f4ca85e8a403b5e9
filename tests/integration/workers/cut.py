"""A store that can be away, or lose the answers of some verbs after they were applied."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from streamer.errors import StoreUnavailable
from streamer.store.base import Store


class Cut:
    """Stands before a store. `away`: nothing is reached. `lost`: so many answers per verb are lost. `refused`: verbs
    that are not reached. `last`: with this verb, which is not reached, everything goes away. `gates`: verbs that are
    held up until their gate opens.

    `calls` are the verbs that were tried.
    """

    def __init__(self, store: Store) -> None:
        self.inner = store
        self.is_away = False
        self.lost: dict[str, int] = {}
        self.refused: set[str] = set()
        self.last = ""
        self.gates: dict[str, asyncio.Event] = {}
        self.calls: list[str] = []
        self.clock_offset_s: float | None = None  # what the store says of our clock
        self.requests = _Front(self, store.requests)
        self.nodes = _Front(self, store.nodes)
        self.connections = _Front(self, store.connections)
        self.subscriptions = _Front(self, store.subscriptions)
        self.events = _Front(self, store.events)
        self.inbox = _Front(self, store.inbox)

    def __getattr__(self, name: str) -> Any:
        """What no verb reaches the store by."""
        return getattr(self.inner, name)

    @property
    def store(self) -> Store:
        return cast("Store", self)

    def hold(self, verb: str) -> asyncio.Event:
        """Nothing passes by this verb until the gate is opened, which is returned."""
        self.gates[verb] = asyncio.Event()
        return self.gates[verb]

    async def check(self) -> None:
        self.refuse("check")
        await self.inner.check()

    async def create(self) -> None:
        await self.inner.create()

    def refuse(self, verb: str) -> None:
        self.calls.append(verb)
        self.is_away = self.is_away or verb == self.last
        if self.is_away or verb in self.refused:
            raise StoreUnavailable("cut")

    def lose(self, verb: str) -> None:
        if self.lost.get(verb):
            self.lost[verb] -= 1
            raise StoreUnavailable("the answer was lost")


class _Front:
    def __init__(self, cut: Cut, contract: Any) -> None:
        self._cut = cut
        self._contract = contract

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        async def call(*arguments: Any, **named: Any) -> Any:
            self._cut.refuse(verb)
            if verb in self._cut.gates:
                await self._cut.gates[verb].wait()
            answer = await getattr(self._contract, verb)(*arguments, **named)
            self._cut.lose(verb)
            return answer

        return call
