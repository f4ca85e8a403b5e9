"""A stage on a SQLite file of the test's own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from streamer.store.open import open_store
from tests.integration.workers.emitter import Emitter
from tests.integration.workers.stage import SHORT, FakeNode, Stage


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    url = f"sqlite:///{tmp_path}/streamer.db"
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(url))
        await store.create()
        node = await stack.enter_async_context(FakeNode().serving())
        stage = Stage(store, node, {**SHORT, "store": url})
        await stack.enter_async_context(stage.node_alive())
        yield stage
        await stage.close()


@pytest.fixture
def emitter(stage: Stage) -> Emitter:
    """The action `work`."""
    emitter = Emitter()
    stage.action("work", emitter)
    return emitter
