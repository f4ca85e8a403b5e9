"""What a console's node keeps of the last fifteen minutes."""

import asyncio
from typing import cast

import pytest
from structlog.testing import capture_logs

from app import history
from app.history import POINTS, History
from app.overview import Overview, Overviews, Process
from streamer.errors import StoreUnavailable
from streamer.store.admin import Standing, Survey, Waiting
from streamer.store.base import NodeRow
from tests.support.until import until


def survey(**counts: int) -> Survey:
    told = {standing: counts.get(standing.value, 0) for standing in Standing}
    return Survey(told, {"t1": Waiting(counts.get("waiting", 0), 500)}, is_exact=True)


def node(connections: int) -> Process:
    return Process(NodeRow("app", f"n{connections}", 1, {"connections": connections}), 0.0)


class Looks:
    """Stands for `Overviews`; each look is a second after the one before."""

    def __init__(self) -> None:
        self.count = 0
        self.is_away = False

    async def now(self) -> Overview:
        self.count += 1
        if self.is_away:
            raise StoreUnavailable
        queues = {"default": survey(waiting=2, running=1, delayed=3, dead=4), "slow": survey(running=5)}
        return Overview(self.count * 1000, 10.0, queues, [node(2), node(3)], [])


def kept(looks: Looks) -> History:
    return History(cast("Overviews", looks))


async def test_a_point_adds_up_what_is_everywhere() -> None:
    found = kept(Looks())
    await found.sample()
    [point] = found.shown()["points"]
    queues = point.pop("queues")
    assert point == {"at": 1.0, "nodes": 2, "workers": 0, "connections": 5, "running": 6}
    assert queues["default"] == {"waiting": 2, "delayed": 3, "dead": 4, "oldest_age_s": 0.5}


async def test_only_the_newest_points_are_kept_oldest_first() -> None:
    found = kept(Looks())
    for _ in range(POINTS + 5):
        await found.sample()
    times = [point["at"] for point in found.shown()["points"]]
    assert times == [float(second) for second in range(6, POINTS + 6)]


async def test_a_store_that_is_away_leaves_a_gap_that_is_logged_once() -> None:
    looks = Looks()
    found = kept(looks)
    with capture_logs() as events:
        for away in (False, True, True, False, True):
            looks.is_away = away
            await found.sample()
    assert [point["at"] for point in found.shown()["points"]] == [1.0, 4.0]
    assert [event["event"] for event in events] == ["history_not_read", "history_not_read"]


async def test_it_samples_until_it_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "STEP_S", 0)
    looks = Looks()
    sampling = asyncio.create_task(kept(looks).run(), name="history")
    await until(lambda: looks.count >= 3)
    sampling.cancel()
    await asyncio.wait([sampling])
    assert sampling.cancelled()
