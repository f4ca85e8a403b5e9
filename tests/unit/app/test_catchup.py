import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from app import catchup
from app.catchup import Behind, CatchUps
from app.connection import Connection
from app.filling import Fillings
from app.owners import Owners, Told
from app.reread import Rereads
from app.tracker import Tracker
from streamer.errors import StoreUnavailable
from streamer.jobs.model import Job, Progress, Status
from streamer.protocol.messages import Seen
from streamer.store.base import RequestQueue
from tests.support.until import until
from tests.unit.app.parts import Socket, connection, job


@dataclass
class World:
    """The store, the owners, and whoever fills and looks after trackers."""

    rows: dict[str, Job] = field(default_factory=dict)
    told: dict[str, Told] = field(default_factory=dict)
    away: bool = False
    reads: list[set[str]] = field(default_factory=list)
    flushes: list[tuple[list[str], bool]] = field(default_factory=list)
    filled: list[tuple[Job, int | None]] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def get_many(self, job_ids: Collection[str]) -> Mapping[str, Job]:
        self.reads.append({*job_ids})
        if self.away:
            raise StoreUnavailable
        return {job_id: self.rows[job_id] for job_id in job_ids if job_id in self.rows}

    async def flush(self, jobs: Sequence[Job], _: str, *, watched: bool = False) -> Mapping[str, Told]:
        if jobs:
            self.flushes.append(([each.job_id for each in jobs], watched))
        return {each.job_id: self.told[each.job_id] for each in jobs if each.job_id in self.told}

    def start(self, _: Connection, __: Tracker, row: Job, *, emitted: int | None) -> asyncio.Task[Any] | None:
        self.filled.append((row, emitted))
        return asyncio.create_task(self.go.wait(), name="filling") if row.finished else None

    def watch(self, _: Connection, tracker: Tracker) -> None:
        self.watched.append(tracker.job_id)


class Stage:
    def __init__(self) -> None:
        self.world = World()
        self.connection = connection(Socket(), name="n1.c")
        self.catchups = CatchUps(
            requests=cast("RequestQueue", self.world),
            owners=cast("Owners", self.world),
            fillings=cast("Fillings", self.world),
            rereads=cast("Rereads", self.world),
        )

    def behind(self, name: str, status: Status = Status.PROCESSING, routes: Collection[str] = ("n1.c",)) -> Behind:
        tracker = self.connection.resume(name, Seen(name))
        assert tracker is not None
        return tracker, replace(job(), job_id=name, status=status, routes=frozenset(routes))

    async def caught_up(self, *jobs: Behind) -> None:
        await self.catchups.catch_up(self.connection, jobs)


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def test_owners_say_how_far_they_are(stage: Stage) -> None:
    stage.world.told = {"named": Told(3), "beside": Told(0)}
    jobs = [stage.behind("named"), stage.behind("beside", routes=()), stage.behind("waiting", Status.PENDING)]
    await stage.caught_up(*jobs)
    assert stage.world.flushes == [(["named"], False), (["beside"], True)]
    assert [(row.job_id, emitted) for row, emitted in stage.world.filled] == [
        ("named", 3),
        ("beside", 0),
        ("waiting", None),
    ]
    assert stage.world.watched == ["named", "beside", "waiting"]
    assert not stage.world.reads


async def test_what_their_owners_have_sent_and_not_written_yet_is_told(stage: Stage) -> None:
    behind = stage.behind("j")
    stage.world.told = {"j": Told(0, Progress(50.0), behind[1].attempt, 5)}
    await stage.caught_up(behind)
    ((row, _),) = stage.world.filled
    assert (row.progress, row.seq) == (Progress(50.0), 5)


async def test_where_the_log_is_behind_the_row_is_read_again_and_the_progress_is_told(stage: Stage) -> None:
    behind = stage.behind("j")
    stage.world.rows = {"j": behind[1]}
    stage.world.told = {"j": Told(None, Progress(50.0), behind[1].attempt, 5)}
    await stage.caught_up(behind)
    assert stage.world.reads == [{"j"}]
    ((row, emitted),) = stage.world.filled
    assert (row.progress, emitted) == (Progress(50.0), None)


async def test_what_nobody_answers_for_is_read_again(stage: Stage) -> None:
    stage.world.told = {"answered": Told(1)}
    ended = stage.behind("ended")
    stage.world.rows = {"ended": replace(ended[1], status=Status.COMPLETED)}
    stage.world.go.set()
    await stage.caught_up(ended, stage.behind("answered"), stage.behind("no row any more"))
    assert stage.world.reads == [{"ended", "no row any more"}]
    assert [row.status for row, _ in stage.world.filled] == [Status.COMPLETED, Status.PROCESSING, Status.PROCESSING]
    assert stage.world.watched == ["answered", "no row any more"]


async def test_a_store_that_is_away_by_now_is_left_to_the_filling(stage: Stage) -> None:
    stage.world.away = True
    await stage.caught_up(stage.behind("running"))
    assert [row.job_id for row, _ in stage.world.filled] == ["running"]


async def test_few_outcomes_are_read_at_a_time(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catchup, "WIDTH", 2)
    jobs = [stage.behind(f"j{number}", Status.COMPLETED) for number in range(5)]
    catching_up = asyncio.create_task(stage.caught_up(*jobs), name="resume")
    await until(lambda: len(stage.world.filled) == 2)
    stage.world.go.set()
    await catching_up
    assert len(stage.world.filled) == 5
    assert not stage.world.watched


async def test_what_is_told_at_once_is_not_waited_for(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage.world, "start", lambda *_, **__: stage.world.go.set())
    await stage.caught_up(stage.behind("ended", Status.COMPLETED))
    assert stage.world.go.is_set()
