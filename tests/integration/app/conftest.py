from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.app.actions import gates, runs
from tests.integration.app.house import House, house


@pytest.fixture(autouse=True)
def fresh_gates() -> Iterator[None]:
    yield
    gates.clear()
    runs.clear()


@pytest_asyncio.fixture
async def node(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as opened:
        yield opened


@pytest_asyncio.fixture
async def second(tmp_path: Path, node: House) -> AsyncIterator[House]:
    """Another node on the store of the first; each knows the other."""
    async with house(tmp_path) as opened:
        await opened.knows_node(node)
        await node.knows_node(opened)
        yield opened
