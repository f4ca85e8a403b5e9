"""`streamer tables create`: makes what the store needs."""

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Final

import orjson
import typer

from streamer.errors import StoreUnavailable
from streamer.settings import Settings
from streamer.store.base import OpenStore
from streamer.store.open import open_store

PAUSE_S: Final = 0.5
"""Between two attempts to reach a store that is not there yet."""

tables = typer.Typer(
    name="tables", help="The tables of the store.", no_args_is_help=True, add_completion=False, rich_markup_mode=None
)


@tables.callback()
def _tables() -> None:
    return


@tables.command()
def create(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for a store that does not answer yet.")] = 60.0,
    json: Annotated[bool, typer.Option("--json", help="Print where they are as a line of JSON.")] = False,
) -> None:
    """Create tables and indexes that are missing; what is there stays as it is."""
    settings = Settings.read()
    asyncio.run(create_tables(lambda: opened(settings), wait_s=wait))
    there = {"store": settings.store, "table_prefix": settings.table_prefix}
    typer.echo(orjson.dumps(there) if json else "The tables are there.")


def opened(settings: Settings) -> OpenStore:
    """The store that the settings name, not yet entered."""
    return open_store(settings.store, table_prefix=settings.table_prefix)


async def create_tables(
    open_: Callable[[], OpenStore], *, wait_s: float, clock: Callable[[], float] = time.monotonic
) -> None:
    """Creates what is missing; tries for `wait_s` seconds, then raises StoreUnavailable."""
    end = clock() + wait_s
    while True:
        try:
            async with open_() as store:
                return await store.create()
        except StoreUnavailable:
            if clock() >= end:
                raise
            await asyncio.sleep(PAUSE_S)
