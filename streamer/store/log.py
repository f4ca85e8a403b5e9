"""The output of jobs, in pieces, over an engine's side items.

An item holds consecutive chunks of one attempt and is named by that attempt and the index of its *last* chunk
(`c#<attempt>#<index>`): so the first item at or after a name of any index is the one that holds it.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import orjson

from streamer.jobs import output
from streamer.jobs.model import Job
from streamer.jobs.output import Stretch
from streamer.store.base import Chunk
from streamer.store.engine import SideItems

MAX_CHUNK_BYTES: Final = 300_000
"""Of the JSON of one chunk, so that each fits into an item; `ctx.emit` refuses it at 256 KiB already."""
ITEM_BYTES: Final = 350_000
"""Of an item before it is compressed: what a reader unpacks at once. A DynamoDB item holds 400 KB."""
_PAIR_BYTES: Final = 16
"""What a chunk costs beside its data: its number, and the signs around it."""
PAGE_BYTES: Final = 65_536
"""After so much, a page takes no more items."""
PAGE_ITEMS: Final = 8
_LAST_INDEX: Final = 9_999_999_999


class StoredLog:
    """`store.base.EventLog`. `clock` gives Unix milliseconds; an item lives for `ttl_ms` from its write."""

    def __init__(self, items: SideItems, *, clock: Callable[[], int], ttl_ms: int) -> None:
        self._items = items
        self._clock = clock
        self._ttl_ms = ttl_ms

    async def append_events(self, job: Job, chunks: Sequence[Chunk]) -> None:
        expires_ms = self._clock() + self._ttl_ms
        for batch in batches(chunks):  # one after the other: what a crash leaves has no hole
            last = batch[-1]
            await self._items.put(job.job_id, sort_key(last.attempt, last.index), pack(batch), expires_ms)

    async def read_events(self, job: Job, start: int) -> Sequence[Chunk]:
        for stretch in output.stretches(job):
            if stretch.end is None or start < stretch.end:
                page = await self._page(job.job_id, stretch, start)
                if page:
                    return page
        return []

    async def _page(self, job_id: str, stretch: Stretch, start: int) -> Sequence[Chunk]:
        # Not only up to the stretch's end: the item that ends it may go on after it.
        low, high = sort_key(stretch.attempt, start), sort_key(stretch.attempt, _LAST_INDEX)
        found = await self._items.between(job_id, low, high, limit=PAGE_ITEMS)
        return consecutive(_unpacked(stretch.attempt, (body for _, body in found)), start, stretch.end)


def sort_key(attempt: int, last: int) -> str:
    """The name of an item of this attempt whose last chunk is `last`; names sort as the numbers do."""
    return f"c#{attempt:06}#{last:010}"


def batches(chunks: Sequence[Chunk]) -> list[Sequence[Chunk]]:
    """The chunks of each item, in order; the same chunks are always divided in the same way.

    Raises ValueError where one is over MAX_CHUNK_BYTES, or they are not consecutive chunks of one attempt.
    """
    found: list[list[Chunk]] = []
    size = 0
    for place, chunk in enumerate(chunks):
        if len(chunk.data) > MAX_CHUNK_BYTES:
            raise ValueError(f"chunk {chunk.index} has {len(chunk.data)} bytes, over {MAX_CHUNK_BYTES}")
        if (chunk.attempt, chunk.index) != (chunks[0].attempt, chunks[0].index + place):
            raise ValueError(f"chunk {chunk.index} of attempt {chunk.attempt} does not continue {chunks[0].index}")
        size += len(chunk.data) + _PAIR_BYTES
        if not found or size > ITEM_BYTES:
            found.append([])
            size = len(chunk.data) + _PAIR_BYTES
        found[-1].append(chunk)
    return [*found]


def pack(chunks: Sequence[Chunk]) -> bytes:
    """An item's body: `[first index, [[seq, data], ...]]`, compressed."""
    pairs = [[chunk.seq, orjson.Fragment(chunk.data)] for chunk in chunks]
    return zlib.compress(orjson.dumps([chunks[0].index, pairs]), 1)


def unpack(attempt: int, raw: bytes) -> Iterator[Chunk]:
    """The chunks of a body that is not compressed any more."""
    first, pairs = orjson.loads(raw)
    for index, (seq, data) in enumerate(pairs, first):
        yield Chunk(index, attempt, seq, orjson.dumps(data))


def _unpacked(attempt: int, bodies: Iterable[bytes]) -> Iterator[Chunk]:
    """The chunks of whole items, until they are enough for a page."""
    size = 0
    for body in bodies:
        if size >= PAGE_BYTES:
            return
        raw = zlib.decompress(body)
        size += len(raw)
        yield from unpack(attempt, raw)


def consecutive(chunks: Iterable[Chunk], start: int, end: int | None) -> Sequence[Chunk]:
    """Those with start <= index < end, up to the first hole among them."""
    found: list[Chunk] = []
    expected = start
    for chunk in chunks:
        if chunk.index < expected:  # before `start`, or in two items
            continue
        if (found and chunk.index > expected) or (end is not None and chunk.index >= end):
            break
        found.append(chunk)
        expected = chunk.index + 1
    return found
