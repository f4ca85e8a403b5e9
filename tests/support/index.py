"""The queue index as it stands, whole: for checks that no verb of the store offers."""

from collections.abc import Mapping
from typing import cast

from streamer.jobs import dispatch
from streamer.jobs.dispatch import Kind
from streamer.jobs.model import Entry
from streamer.store.base import Store
from streamer.store.engine import Rows
from streamer.store.queue import JobQueue


def rows_of(store: Store) -> Rows:
    """What the engine gives to the queue."""
    return cast("JobQueue", store.requests)._rows


async def entries(store: Store, kind: Kind, queue: str) -> Mapping[str, Entry]:
    """Job id -> its entry, of every shard."""
    found: dict[str, Entry] = {}
    for shard in range(dispatch.SHARDS):
        partition = dispatch.partition(kind, queue, shard)
        found.update(await rows_of(store).entries(partition, limit=100_000))
    return found
