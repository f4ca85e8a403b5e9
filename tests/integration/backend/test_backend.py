"""A back end that starts jobs without a socket, on a real store, with a worker that is told."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import streamer
from streamer.errors import ConfigurationError, DuplicateRequest, InvalidAction, InvalidPayload, StoreUnavailable
from streamer.jobs import ids
from streamer.jobs.model import Status
from streamer.settings import Settings
from streamer.store.base import Store
from streamer.store.open import open_store
from tests.integration.workers.stage import KEY, SHORT, FakeNode, Stage
from tests.support.until import until

REPORT = {"start_date": "2026-01-01", "end_date": "2026-01-31", "format": "pdf"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(store=f"sqlite:///{tmp_path}/s.db", cluster_key_id=KEY.key_id, cluster_secret=KEY.secret)


@pytest.fixture
async def store(settings: Settings) -> AsyncIterator[Store]:
    async with open_store(settings.store) as opened:
        await opened.create()
        yield opened


@pytest.mark.usefixtures("store")
async def test_what_is_submitted_is_stored_once(settings: Settings) -> None:
    async with streamer.submitting(settings) as queue:
        first = await queue.submit("generate_report", REPORT, tenant="acme", user="ann", id="r1", priority="high")
        again = await queue.submit("generate_report", REPORT, tenant="acme", user="ann", id="r1")
        job = await queue.state("acme", "ann", "r1")
        assert first == again == streamer.Submitted("r1", ids.job_id("acme", "ann", "r1"))
        assert job is not None
        assert (job.job_id, job.action, job.status) == (first.job_id, "generate_report", Status.PENDING)
        assert await queue.state("acme", "bob", "r1") is None
        with pytest.raises(DuplicateRequest):
            await queue.submit("echo_async", {}, tenant="acme", user="ann", id="r1")


async def test_an_id_is_made_where_none_is_given(settings: Settings, store: Store) -> None:
    async with streamer.submitting(settings) as queue:
        submitted = [await queue.submit("echo_async", {}, tenant="acme", user="ann") for _ in range(2)]
    assert len({each.request_id for each in submitted}) == 2
    assert len(await store.requests.list_by_user("acme", "ann", 10)) == 2


async def test_what_cannot_be_is_not_stored(settings: Settings, store: Store) -> None:
    async with streamer.submitting(settings) as queue:
        with pytest.raises(InvalidAction):
            await queue.submit("missing", tenant="acme", user="ann")
        with pytest.raises(InvalidPayload):
            await queue.submit("generate_report", {}, tenant="acme", user="ann")
        for wrong in ({"tenant": ""}, {"user": "a\0b"}, {"id": "a b"}):
            with pytest.raises(ValueError, match="1 to"):
                await queue.submit("echo_async", {}, **{"tenant": "acme", "user": "ann", **wrong})  # type: ignore[arg-type]  # mistakes
    assert await store.requests.list_by_user("acme", "ann", 10) == []


async def test_a_worker_is_told(settings: Settings, store: Store) -> None:
    runs: list[Any] = []
    async with FakeNode().serving() as node:
        stage = Stage(store, node, {**SHORT, "store": settings.store, "sweep_s": 60.0})
        stage.action("echo_async", lambda _, payload: runs.append(payload["n"]))
        await stage.worker()
        async with streamer.submitting(settings) as queue:
            await queue.submit("echo_async", {"n": 1}, tenant="acme", user="ann")
            await queue.submit("echo_async", {"n": 2}, tenant="acme", user="ann")
            await until(lambda: len(runs) == 2)
        await stage.close()
    assert sorted(runs) == [1, 2]


async def test_nobody_is_told_where_workers_are_not_to_be_told(settings: Settings, store: Store) -> None:
    quiet = settings.model_copy(update={"wakeups": frozenset({"sweep"})})
    async with streamer.submitting(quiet) as queue:
        submitted = await queue.submit("echo_async", {}, tenant="acme", user="ann")
    assert await store.requests.get(submitted.job_id) is not None


async def test_a_store_that_is_not_there(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streamer.backend.PATIENCE_S", 0.0)
    async with streamer.submitting(settings) as queue:
        with pytest.raises(StoreUnavailable):
            await queue.submit("echo_async", {}, tenant="acme", user="ann")
        with pytest.raises(StoreUnavailable):
            await queue.state("acme", "ann", "r1")


async def test_one_job_on_the_settings_of_the_environment(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMER_STORE", settings.store)
    monkeypatch.setenv("STREAMER_CLUSTER_KEY_ID", KEY.key_id)
    monkeypatch.setenv("STREAMER_CLUSTER_SECRET", KEY.secret)
    submitted = await streamer.submit("echo_async", {}, tenant="acme", user="ann", id="r1")
    assert await store.requests.get(submitted.job_id) is not None
    monkeypatch.delenv("STREAMER_CLUSTER_KEY_ID")
    with pytest.raises(ConfigurationError, match="STREAMER_CLUSTER_KEY_ID"):
        await streamer.submit("echo_async", {}, tenant="acme", user="ann", id="r1")
