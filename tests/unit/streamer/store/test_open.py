from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from streamer.errors import ConfigurationError
from streamer.store.base import Store
from streamer.store.dynamodb import store as dynamodb
from streamer.store.open import open_store
from streamer.store.queue import Retention
from tests.support.jobs import Clock, submission


async def test_a_path_from_the_root(tmp_path: Path) -> None:
    async with open_store(f"sqlite:///{tmp_path}/deep/a.db") as store:
        await store.create()
        await store.check()
    assert (tmp_path / "deep" / "a.db").is_file()


async def test_a_path_from_here_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    async with open_store("sqlite:///.streamer/a.db") as store:
        monkeypatch.chdir("/")
        await store.create()
    assert (tmp_path / ".streamer" / "a.db").is_file()


async def test_clock_retention_and_observer_arrive(tmp_path: Path) -> None:
    clock, verbs = Clock(), list[str]()
    url = f"sqlite:///{tmp_path}/a.db"
    options: dict[str, Any] = {"clock": clock, "retention": Retention(outcome_ms=5_000)}
    async with open_store(url, observer=lambda verb, *_: verbs.append(verb), **options) as store:
        await store.create()
        job = (await store.requests.enqueue(submission())).job
        cancelled = await store.requests.cancel(job.tenant, job.user, job.client_id)
    assert cancelled.expires_ms == clock() + 5_000
    assert verbs == ["create", "list_nodes", "beat", "insert", "cancel_waiting"]


@pytest.mark.parametrize(
    "url", ["", "sqlite", "sqlite://", "sqlite:///", "sqlite:///:memory:", "a.db", "dynamodb://", "postgres:///x"]
)
async def test_other_urls_are_refused_in_a_sentence(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"STREAMER_STORE is .* not .*\.$"):
        async with open_store(url):
            pass


async def test_dynamodb_is_opened_with_the_same_options(monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[dict[str, Any]] = []

    @asynccontextmanager
    async def recorded(**options: Any) -> AsyncIterator[Store]:
        opened.append(options)
        async with open_store("sqlite:///unused.db") as stand_in:
            yield stand_in

    monkeypatch.setattr(dynamodb, "open_dynamodb", recorded)
    clock = Clock()
    async with open_store("dynamodb", table_prefix="p_", clock=clock):
        pass
    assert opened == [{"table_prefix": "p_", "retention": Retention(), "clock": clock, "observer": None}]
