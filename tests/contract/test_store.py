"""Store: opening, checking, creating; and what an observer is told."""

from pathlib import Path

import pytest

from streamer.errors import Fenced, StoreUnavailable
from streamer.jobs.model import Progress
from tests.support.jobs import Clock
from tests.support.store import Engine, Scene


async def test_a_store_that_was_created_is_fine(scene: Scene) -> None:
    await scene.store.check()


async def test_creating_again_harms_nothing(scene: Scene) -> None:
    job = await scene.submit()
    await scene.store.create()
    assert await scene.row(job) == job


async def test_a_store_without_tables_says_so(engine: Engine, tmp_path: Path) -> None:
    empty = Engine(engine.name, engine.url, "absent_")
    if engine.name == "sqlite":
        empty = Engine(engine.name, f"sqlite:///{tmp_path}/absent.db")
    async with empty.open() as store:
        with pytest.raises(StoreUnavailable, match=r"\w+ .*\.$"):
            await store.check()


async def test_an_observer_is_told_of_every_call(engine: Engine, clock: Clock) -> None:
    told: list[tuple[str, float, BaseException | None]] = []
    async with engine.open(clock=clock, observer=lambda *call: told.append(call)) as store:
        scene = Scene(store, clock)
        running = await scene.running()
        await store.requests.complete(running, b"1", 1)
        with pytest.raises(Fenced):  # a refusal is an answer, not an error of the engine
            await store.requests.save_progress(running, Progress(1), 1)
    verbs = [verb for verb, _, _ in told]
    assert [verb for verb in verbs if verb in ("insert", "claim", "complete", "progress")] == [
        "insert",
        "claim",
        "complete",
        "progress",
    ]
    assert all(seconds >= 0 for _, seconds, _ in told)
    assert {error for verb, _, error in told if verb in ("insert", "claim", "complete", "progress")} == {None}
