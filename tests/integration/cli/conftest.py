"""A store as an operator's commands find it: by the environment."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamer.store.base import now_ms
from streamer.store.open import open_store
from tests.integration.cli.peer import KEY
from tests.support.jobs import Clock
from tests.support.store import Scene


@pytest.fixture
async def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Scene]:
    """Its clock stands ten minutes in the past, for what a command does is done now."""
    url = f"sqlite:///{tmp_path}/streamer.db"
    monkeypatch.setenv("STREAMER_STORE", url)
    monkeypatch.setenv("STREAMER_CLUSTER_KEY_ID", KEY.key_id)
    monkeypatch.setenv("STREAMER_CLUSTER_SECRET", KEY.secret)
    clock = Clock(now_ms() - 600_000)
    async with open_store(url, clock=clock) as store:
        await store.create()
        yield Scene(store, clock, tenant="acme", user="ann", queue="default")
