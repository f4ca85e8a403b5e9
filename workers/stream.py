"""The stream of changes: this worker's share of its shards, each read by a task of its own."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from streamer.cluster.registry import Peers
from streamer.errors import StoreUnavailable
from streamer.store.back_off import BackOff
from streamer.store.feed import Change, Feed, FeedMissing, Feeds, Lease
from streamer.telemetry.metrics import Metrics
from workers.leases import Crew, Shares, crew
from workers.shard import Pace, ShardReader

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds between two listings, half of it to all of it; up to which one that is asked for waits, so that not all
    workers come at once; and between two looks at the registry, which cost nothing."""

    list_s: float = 60.0
    soon_s: float = 1.0
    look_s: float = 0.25
    missing_s: float = 30.0  # at most, from a feed that was missing to the next attempt to open one; at first `soon_s`
    pace: Pace = field(default_factory=Pace)


class Stream:
    """Reads while `run` does. `workers` is kept fresh by others; `own_id` is the session in whose name it reads.

    Never dies of a store that is away. A worker whose session is over starts anew under its next id.
    """

    def __init__(
        self,
        feeds: Feeds,
        *,
        workers: Peers,
        own_id: Callable[[], str],
        handle: Callable[[Sequence[Change]], Awaitable[None]],
        sweep: Callable[[], Awaitable[bool]],
        metrics: Metrics,
        timing: Timing | None = None,
    ) -> None:
        self._feeds = feeds
        self._workers = workers
        self._own_id = own_id
        self._handle = handle
        self._sweep = sweep
        self._metrics = metrics
        self._timing = timing or Timing()
        self._readers: dict[str, asyncio.Task[None]] = {}  # by shard
        self._crew: Crew | None = None  # as of the newest round
        self._asked = asyncio.Event()  # for a listing: a reader ended
        self._feed_id = ""  # of the newest feed; "" before the first
        self._missing_s = self._timing.soon_s  # until the next attempt where the feed is missing; `soon_s`: it was not

    async def run(self) -> None:
        """For ever. Cancelled, it gives its leases back, where the store answers within a second."""
        back_off = BackOff()
        while True:
            try:
                async with self._feeds.open() as feed:
                    self._note(feed)
                    await self._follow(feed)
            except FeedMissing as error:
                await self._await_feed(error)
            except StoreUnavailable as error:
                log.debug("feed_not_opened", reason=str(error))
                await back_off.pause()

    async def _await_feed(self, error: FeedMissing) -> None:
        if self._missing_s == self._timing.soon_s:
            log.warning("feed_missing", reason=str(error))
        await asyncio.sleep(self._missing_s * _half_to_all())
        self._missing_s = min(2 * self._missing_s, self._timing.missing_s)

    def _note(self, feed: Feed) -> None:
        if feed.feed_id == self._feed_id:
            return
        if self._feed_id:
            log.warning("feed_made_anew", feed=feed.feed_id, former=self._feed_id)
        self._feed_id, self._missing_s = feed.feed_id, self._timing.soon_s

    async def _follow(self, feed: Feed) -> None:
        """Reads this feed. Raises FeedMissing when it is gone, or over."""
        shares = Shares(feed, on_gap=self._sweep)
        try:
            while True:
                self._crew = await self._known_crew()
                await self._round(feed, shares, self._crew)
                await self._settled()
        finally:
            await self._end(list(self._readers))

    async def _round(self, feed: Feed, shares: Shares, crew: Crew) -> None:
        """Lists, and reads what is ours then. Raises FeedMissing."""
        self._asked.clear()
        self._prune()
        try:
            leases = await shares.round(crew)
        except FeedMissing:
            raise
        except StoreUnavailable as error:
            log.debug("shards_not_listed", reason=str(error))
            self._asked.set()
            return
        await self._end([name for name in self._readers if name not in {lease.shard_id for lease in leases}])
        for lease in leases:
            if lease.shard_id not in self._readers:
                self._start(feed, lease)
        self._metrics.stream_shards.set(len(self._readers))

    def _start(self, feed: Feed, lease: Lease) -> None:
        reader = ShardReader(feed, lease, handle=self._handle, sweep=self._sweep, pace=self._timing.pace)
        task = asyncio.create_task(reader.run(), name=f"shard {lease.shard_id}")
        task.add_done_callback(lambda _: self._asked.set())
        self._readers[lease.shard_id] = task

    def _prune(self) -> None:
        """Forgets readers that ended. Before leases are read: one that a reader has just finished is not ours anew.
        Raises what one died of."""
        for name, task in list(self._readers.items()):
            if task.done():
                del self._readers[name]
                task.result()

    async def _end(self, names: Sequence[str]) -> None:
        """Ends readers, which give their leases back."""
        tasks = [self._readers.pop(name) for name in names]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._metrics.stream_shards.set(len(self._readers))

    async def _known_crew(self) -> Crew:
        """A new session begins without readers: their leases are held by the one before."""
        while True:
            me = self._own_id()
            if self._crew is not None and self._crew.me != me:
                await self._end(list(self._readers))
            found = crew(self._workers, me)
            if found is not None:
                return found
            await asyncio.sleep(self._timing.look_s)

    async def _settled(self) -> None:
        """Until it is time for the next listing: after a while, or soon where something has changed."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self._timing.list_s * _half_to_all()
        while loop.time() < end:
            if self._asked.is_set() or self._has_lost_one():
                await asyncio.sleep(self._timing.soon_s * _half_to_all())
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timing.look_s):
                    await self._asked.wait()

    def _has_lost_one(self) -> bool:
        """Whether a session is gone since the newest round, our own included: what it held is free."""
        now = crew(self._workers, self._own_id())
        return self._crew is not None and (now is None or not self._crew.living <= now.living)


def _half_to_all() -> float:
    return random.uniform(0.5, 1.0)  # noqa: S311  # spreads load, guards nothing
