"""Loaded by STREAMER_ACTIONS into a worker that is to see the queue index late: what waits is shown to it as it stood
when it last asked the same. So it misses what is new, and is shown what was claimed meanwhile."""

from collections.abc import Sequence
from typing import Any

from streamer.jobs.dispatch import Kind
from streamer.jobs.model import Entry
from streamer.store.dynamodb.rows import DynamoDBRows
from streamer.store.sqlite.requests import SqliteRows

Places = Sequence[tuple[str, Entry]]

_LATE = tuple(f"{kind}#" for kind in (Kind.READY, Kind.TIMER))


def _make_late(rows: type[DynamoDBRows] | type[SqliteRows]) -> None:
    truly = rows.entries
    before: dict[str, Places] = {}  # partition -> what stood there at the look before

    async def late(self: Any, partition: str, **options: Any) -> Places:
        found = await truly(self, partition, **options)
        if not partition.startswith(_LATE):
            return found
        shown = before.get(partition, ())
        before[partition] = found
        return shown

    rows.entries = late  # type: ignore[method-assign]  # an index has no seam at which it could be late


for _rows in (DynamoDBRows, SqliteRows):
    _make_late(_rows)
