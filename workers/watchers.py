"""Who watches a running job, beside the connections that its row names."""

import asyncio
from collections.abc import Callable

from streamer.cluster.lanes import report_death
from streamer.store.back_off import persistently
from streamer.store.base import SubscriptionStore


class Watchers:
    """The connections of a job's subscriptions, as last read. `on_change` is called after each reading.

    `connections` is written here and read by who sends. A reading that was asked for while another was under way
    follows it: what was put before anybody asked is known afterwards.
    """

    def __init__(self, job_id: str, subscriptions: SubscriptionStore, on_change: Callable[[], None]) -> None:
        self.connections: frozenset[str] = frozenset()
        self._job_id = job_id
        self._subscriptions = subscriptions
        self._on_change = on_change
        self._version = 0  # of the row, the newest that was heard of
        self._is_outdated = False  # asked for since the newest reading began
        self._reading: asyncio.Task[None] | None = None  # under way, or the last one
        self._is_closed = False

    def heard(self, version: int) -> None:
        """The row has this version: where it is a newer one, somebody came or went."""
        if version > self._version and not self._is_closed:
            self._version = version
            self._begin()

    async def read(self) -> None:
        """Knows everybody who subscribed before this call. CancelledError where the attempt is over."""
        if self._is_closed:
            raise asyncio.CancelledError
        await asyncio.shield(self._begin())

    def close(self) -> None:
        """Nobody is to be told any more."""
        self._is_closed = True
        if self._reading is not None:
            self._reading.cancel()

    async def ended(self) -> None:
        """Waits for a reading that was under way."""
        if self._reading is not None:
            await asyncio.wait([self._reading])

    def _begin(self) -> asyncio.Task[None]:
        self._is_outdated = True
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name=f"watchers {self._job_id}")
            self._reading.add_done_callback(report_death)
        return self._reading

    async def _read(self) -> None:
        while self._is_outdated:
            self._is_outdated = False
            found = await persistently(lambda: self._subscriptions.list_by_request(self._job_id))
            self.connections = frozenset(each.connection_id for each in found)
            self._on_change()
