"""Each end-to-end test has tables, or a file, of its own: it sees no processes of another test."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from streamer.client import events
from streamer.jobs import ids
from tests.support.contract import contract
from tests.support.store import Engine
from tests.support.system import System, system

HERE = Path(__file__).parent
STORY_S = 120
"""The time limit of a story that states none: others are told beside it, on as few cores."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A story that is marked `each_wakeup` is told with all ways in which workers hear of work, and with each alone."""
    if metafunc.definition.get_closest_marker("each_wakeup") is not None:
        metafunc.parametrize("wakeups", [None, "direct", "stream", "sweep"], ids=["all", "direct", "stream", "sweep"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """SQLite has no stream, and its other ways are the same: there, all at once will do."""
    left_out = [item for item in items if _is_for_dynamodb(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
    for item in items:
        if item.path.parent == HERE and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(STORY_S))


def _is_for_dynamodb(item: pytest.Item) -> bool:
    chosen = getattr(getattr(item, "callspec", None), "params", {})
    return chosen.get("wakeups") is not None and chosen.get("engine") == "sqlite"


@pytest.fixture(autouse=True)
def what_the_python_client_hears(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every frame that comes to it is held against the AsyncAPI document, as `WireClient` does with its own."""
    faults: list[str] = []
    read = events.read

    def checked(text: bytes) -> events.Frame:
        frame = read(text)
        fault = contract().fault_in_received(frame)
        if fault is not None:
            faults.append(fault)
        return frame

    monkeypatch.setattr(events, "read", checked)
    yield
    assert not faults, "\n".join(faults)


@pytest.fixture
def wakeups() -> str | None:
    """The one way in which workers hear of work; None: all that there are."""
    return None


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
async def streamer(own_engine: Engine, tmp_path: Path, wakeups: str | None) -> AsyncIterator[System]:
    """A system without processes yet."""
    env = {} if wakeups is None else {"STREAMER_WAKEUPS": wakeups}
    async with system(tmp_path, own_engine, env) as running:
        yield running


@pytest.fixture
async def on_dynamodb(
    dynamodb_engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[System]:
    """A system without processes yet, for what only DynamoDB can do; processes may be given a proxy to it."""
    for name, value in dynamodb_engine.environment.items():
        monkeypatch.setenv(name, value)
    own = replace(dynamodb_engine, table_prefix=f"e2e_{ids.nonce()}_")
    async with own.open() as store:
        await store.create()
    async with system(tmp_path, own) as running:
        yield running
