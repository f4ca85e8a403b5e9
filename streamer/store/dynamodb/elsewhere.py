"""In which other regions there are tables."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from botocore.exceptions import BotoCoreError

from streamer.errors import ConfigurationError, StoreUnavailable
from streamer.store.dynamodb import client as clients
from streamer.store.dynamodb.client import Client
from streamer.store.dynamodb.errors import InvalidRequest

AT_ONCE: Final = 8
LIMIT_S: Final = 10.0
"""For all regions together."""


async def has(region: str, table: str) -> bool:
    """Whether there is such a table in that region; False where that cannot be told."""
    try:
        async with clients.connected(clients.LOOKS, region=region) as send:
            client = Client(send, limit_s=clients.LOOK_LIMIT_S)
            await client.call("describe_table", "describe_table", {"TableName": table})
    except (StoreUnavailable, InvalidRequest, ConfigurationError, BotoCoreError):
        return False
    return True


async def regions_where(holds: Callable[[str], Awaitable[bool]], regions: Collection[str]) -> list[str]:
    """Those for which it holds, of those that tell in time; sorted."""
    room = asyncio.Semaphore(AT_ONCE)

    async def told(region: str) -> str | None:
        async with room:
            return region if await holds(region) else None

    tasks = [asyncio.create_task(told(region), name=f"look in {region}") for region in regions]
    if not tasks:
        return []
    done, late = await asyncio.wait(tasks, timeout=LIMIT_S)
    for task in late:
        task.cancel()
    await asyncio.gather(*late, return_exceptions=True)
    return sorted(region for task in done if (region := task.result()) is not None)
