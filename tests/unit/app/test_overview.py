"""The installation at a glance: which queues are looked at, and what is said of processes that say little."""

from collections.abc import Mapping
from typing import Any, cast

from app.overview import Overviews, age_s, shown
from streamer.cluster.registry import APP, WORKER, Peers
from streamer.store.admin import Admin, Standing, Survey, Waiting
from tests.unit.streamer.cluster.nodes import Nodes


class Queues:
    """Stands for `Admin`."""

    def __init__(self, **surveys: Survey) -> None:
        self.asked: list[str] = []
        self._surveys = surveys

    async def survey(self, queue: str) -> Survey:
        self.asked.append(queue)
        return self._surveys.get(queue, Survey(dict.fromkeys(Standing, 0), {}, is_exact=True))


class Stage:
    def __init__(self, *queues: str, **surveys: Survey) -> None:
        self.now = 100.0
        self.queues = Queues(**surveys)
        self.apps, self.workers = Nodes(), Nodes()
        self._overviews = Overviews(
            cast("Admin", self.queues),
            Peers(self.apps, APP, clock=lambda: self.now),
            Peers(self.workers, WORKER, clock=lambda: self.now),
            queues,
            dead_after_s=10.0,
            clock=lambda: 10_000,
            monotonic=lambda: self.now,
        )

    async def look(self) -> Mapping[str, Any]:
        return shown(await self._overviews.now())


async def test_queues_are_those_of_workers_and_of_actions_the_default_one_first() -> None:
    stage = Stage("reports")
    await stage.workers.beat(WORKER, "w1", {"queues": ["default", "bulk"]})
    assert [queue["queue"] for queue in (await stage.look())["queues"]] == ["default", "bulk", "reports"]


async def test_who_looks_within_a_second_sees_the_same() -> None:
    stage = Stage()
    await stage.look()
    stage.now += 0.9
    await stage.look()
    assert stage.queues.asked == ["default"]
    stage.now += 0.2
    await stage.look()
    assert stage.queues.asked == ["default", "default"]


async def test_a_process_that_does_not_say_what_it_does_is_shown_all_the_same() -> None:
    stage = Stage()
    await stage.apps.beat(APP, "n1", {})
    await stage.workers.beat(WORKER, "w1", {})
    await stage.look()
    stage.now += 5
    seen = await stage.look()
    told = {"endpoint": "", "version": "", "draining": False, "beat_age_s": 5.0}
    assert seen["nodes"] == [{"node_id": "n1", **told, "connections": 0}]
    assert seen["workers"] == [{"worker_id": "w1", **told, "process": "", "queues": [], "slots": 0, "running": 0}]


async def test_ages_are_those_of_the_moment() -> None:
    waiting = {"b": Waiting(1, 9_000), "a": Waiting(2, 4_000)}
    stage = Stage(default=Survey(dict.fromkeys(Standing, 3), waiting, is_exact=False))
    [queue] = (await stage.look())["queues"]
    assert queue["tenants"] == [
        {"tenant": "a", "waiting": 2, "oldest_age_s": 6.0},
        {"tenant": "b", "waiting": 1, "oldest_age_s": 1.0},
    ]
    assert (queue["oldest_age_s"], queue["is_exact"], queue["dead"]) == (6.0, False, 3)


def test_a_clock_that_is_behind_makes_nothing_younger_than_now() -> None:
    assert [age_s(made, 1_000) for made in (500, 1_500, None)] == [0.5, 0.0, None]
