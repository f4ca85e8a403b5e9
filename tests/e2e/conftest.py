"""Each end-to-end test has tables, or a file, of its own: it sees no processes of another test."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.jobs import ids
from tests.support.store import Engine
from tests.support.system import System, system


@pytest.fixture
async def own_engine(engine: Engine) -> Engine:
    """Like `engine`, with tables that no other test uses."""
    if engine.name == "sqlite":
        return engine
    own = replace(engine, table_prefix=f"e2e_{ids.nonce()}_")
    async with own.open() as store:
        await store.create()
    return own


@pytest.fixture
async def streamer(own_engine: Engine, tmp_path: Path) -> AsyncIterator[System]:
    """A system without processes yet."""
    async with system(tmp_path, own_engine) as running:
        yield running
