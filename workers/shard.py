"""One shard of the feed, read from where its lease says to its end."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from streamer.errors import StoreUnavailable
from streamer.store.back_off import BackOff
from streamer.store.feed import BEGINNING, LATEST, Change, Expired, Feed, FeedMissing, Lease, LeaseLost, Page, Trimmed

log = structlog.get_logger()

SLOWER: Final = 1.5
GIVE_BACK_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds between two reads, from `busy_s` while there are changes to `idle_s`; and between two checkpoints.

    A shard bears about four reads a second, of all readers together.
    """

    busy_s: float = 0.25
    idle_s: float = 1.0
    checkpoint_s: float = 5.0


class ShardReader:
    """Hands all changes of a shard to `handle`, in order, some of them twice where a reader follows another.

    `sweep` is called where changes lie before the cursor that nobody has seen, until it succeeds: what waits is then
    found in the queue.
    """

    def __init__(
        self,
        feed: Feed,
        lease: Lease,
        *,
        handle: Callable[[Sequence[Change]], Awaitable[None]],
        sweep: Callable[[], Awaitable[bool]],
        pace: Pace,
        clock: Callable[[], float] | None = None,
    ) -> None:
        self.lease = lease
        self._feed = feed
        self._handle = handle
        self._sweep = sweep
        self._pace = pace
        self._clock = clock or asyncio.get_running_loop().time
        self._position = lease.position  # of the newest change that was handled
        self._cursor: str | None = None  # None: to be asked for, by position
        self._has_gap = lease.position == LATEST
        self._is_read = False  # to its end, which is still to be noted
        self._saved = self._clock()
        self._delay_s = pace.busy_s

    async def run(self) -> None:
        """Until the shard's end, or until it is not ours or not there any more. Cancelled, it gives the lease back."""
        try:
            await self._read_to_end()
            log.info("shard_ended", shard=self.lease.shard_id)
        except LeaseLost:
            log.info("lease_lost", shard=self.lease.shard_id, session=self.lease.owner)
        except FeedMissing as error:
            log.info("shard_missing", shard=self.lease.shard_id, reason=str(error))
        except asyncio.CancelledError:
            await self._give_back()
            raise

    async def _read_to_end(self) -> None:
        back_off = BackOff()
        while not self.lease.is_done:
            try:
                await self._step()
            except FeedMissing:
                raise
            except StoreUnavailable as error:
                log.debug("shard_not_read", shard=self.lease.shard_id, reason=str(error))
                await back_off.pause()
            else:
                back_off = BackOff()
                await asyncio.sleep(0 if self._is_read else self._delay_s)

    async def _step(self) -> None:
        if not self._is_read:
            await self._read()
        if self._is_read or self._is_due():
            await self._save()

    async def _read(self) -> None:
        try:
            if self._cursor is None:
                self._cursor = await self._feed.cursor(self.lease.shard_id, self._position)
            await self._close_gap()
            page = await self._feed.read(self._cursor)
        except Expired:
            self._cursor = None
            self._has_gap = self._has_gap or self._position == LATEST  # there is no going on where it was
        except Trimmed:
            log.warning("changes_trimmed", shard=self.lease.shard_id, position=self._position)
            self._cursor, self._position, self._has_gap = None, BEGINNING, True
        else:
            await self._take_in(page)

    async def _close_gap(self) -> None:
        """Only once there is a cursor: so nothing falls between the sweep and the first read."""
        if self._has_gap:
            self._has_gap = not await self._sweep()

    async def _take_in(self, page: Page) -> None:
        await self._handle(page.changes)
        self._position = page.position or self._position
        self._cursor = page.cursor
        self._is_read = page.cursor is None
        idle_s = min(self._pace.idle_s, self._delay_s * SLOWER)
        self._delay_s = self._pace.busy_s if page.changes else idle_s

    def _is_due(self) -> bool:
        """At once where the lease has no position yet: whoever followed us would begin after what we have seen."""
        is_time = self._clock() - self._saved >= self._pace.checkpoint_s
        return self._position != self.lease.position and (is_time or self.lease.position == LATEST)

    async def _save(self) -> None:
        self.lease = await self._feed.checkpoint(self.lease, self._position, is_done=self._is_read)
        self._saved = self._clock()

    async def _give_back(self) -> None:
        """What does not succeed in time is found free when our session is gone."""
        with suppress(LeaseLost, StoreUnavailable, TimeoutError):
            async with asyncio.timeout(GIVE_BACK_S):
                if self._position != self.lease.position:
                    await self._save()
                await self._feed.release(self.lease)
