"""Through one kind of entries of the queue index, all shards merged."""

import base64
import binascii
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

import orjson

from streamer.jobs import dispatch, ids
from streamer.jobs.dispatch import Kind
from streamer.jobs.model import Entry
from streamer.store.admin import AdminRows, Place
from streamer.store.fan_out import each

PAGE: Final = 100
"""Entries of a shard that are read at a time."""
MAX_SORT: Final = 1_024
"""Bytes of a sort key, by DynamoDB."""


class Walk:
    """Gives entries in the order of their sort keys, shards read page by page as they are used up.

    * `_at`: by shard, the last entry that was given; None at the beginning.
    * `_heads`: by shard, what was read and not given yet.
    * `_ended`: the shards of which everything was read.
    * `given`: how many entries were given; `is_over`: `next` has said that there are no more.
    """

    def __init__(self, rows: AdminRows, kind: Kind, queue: str, cursor: str | None = None) -> None:
        self._rows = rows
        self._partitions = [dispatch.partition(kind, queue, shard) for shard in range(dispatch.SHARDS)]
        self._at: list[Place | None] = [None] * dispatch.SHARDS if cursor is None else _positions(cursor)
        self._heads: Sequence[deque[Place]] = [deque() for _ in self._partitions]
        self._ended: set[int] = set()
        self.given = 0
        self.is_over = False

    async def next(self) -> tuple[str, Entry] | None:
        """Job id and entry; None: there are no more."""
        await each(self._fill, [shard for shard, head in enumerate(self._heads) if not head])
        shards = [shard for shard, head in enumerate(self._heads) if head]
        if not shards:
            self.is_over = True
            return None
        first = min(shards, key=lambda shard: self._heads[shard][0].sort)
        place = self._heads[first].popleft()
        self._at[first] = place
        self.given += 1
        return place.job_id, Entry(self._partitions[first], place.sort)

    @property
    def cursor(self) -> str:
        """Goes on from here, in a new walk."""
        return base64.urlsafe_b64encode(orjson.dumps(self._at, default=list)).decode()

    async def _fill(self, shard: int) -> None:
        if shard not in self._ended:
            page = await self._rows.page(self._partitions[shard], limit=PAGE, after=self._at[shard])
            self._heads[shard].extend(page)
            if len(page) < PAGE:
                self._ended.add(shard)


def _positions(cursor: str) -> list[Place | None]:
    try:
        found = orjson.loads(base64.urlsafe_b64decode(cursor))
        positions = [_place(position) for position in found]
    except (binascii.Error, ValueError, TypeError) as error:
        raise ValueError(_REFUSAL) from error
    if len(positions) != dispatch.SHARDS:
        raise ValueError(_REFUSAL)
    return positions


def _place(position: Any) -> Place | None:
    if position is None:
        return None
    match position:
        case [str() as sort, str() as job_id] if 0 < len(sort.encode()) <= MAX_SORT and ids.CLIENT_ID.fullmatch(job_id):
            return Place(sort, job_id)
    raise TypeError(position)


_REFUSAL: Final = "The cursor is none that a list of jobs has given."
