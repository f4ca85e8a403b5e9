"""Durable requests of a user, over an engine's side items: one small item for each, named by its job."""

from collections.abc import Callable, Sequence
from typing import Final

from streamer.jobs import ids
from streamer.store.engine import SideItems

LIFETIME_MS: Final = 30 * 86_400_000
"""Of an entry that nobody acknowledges: longer than its row, unless that ran for weeks."""
_BEFORE_ALL: Final = "0"  # job ids are hexadecimal; DynamoDB refuses an empty key
_AFTER_ALL: Final = "~"


class StoredInbox:
    """`store.base.Inbox`. `clock` gives Unix milliseconds."""

    def __init__(self, items: SideItems, *, clock: Callable[[], int]) -> None:
        self._items = items
        self._clock = clock

    async def add(self, tenant: str, user: str, job_id: str) -> None:
        await self._items.put(partition(tenant, user), job_id, b"", self._clock() + LIFETIME_MS)

    async def list(self, tenant: str, user: str, limit: int) -> Sequence[str]:
        found = await self._items.between(partition(tenant, user), _BEFORE_ALL, _AFTER_ALL, limit=limit)
        return [job_id for job_id, _ in found]

    async def remove(self, tenant: str, user: str, job_id: str) -> None:
        await self._items.delete(partition(tenant, user), job_id)


def partition(tenant: str, user: str) -> str:
    """Where a user's entries lie; no job's id begins like this."""
    return f"i#{ids.user_key(tenant, user)}"
