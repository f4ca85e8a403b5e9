from dataclasses import replace

import orjson
import pytest

from app.owners import CANCEL, FLUSH, Owners
from app.tasks import Tasks
from streamer.cluster.calls import Gone, Unreachable
from streamer.cluster.registry import WORKER, Peers
from streamer.store.base import NodeRow
from tests.support.until import until
from tests.unit.app.parts import Rows, job


class Stage:
    def __init__(self) -> None:
        self.tasks = Tasks(lambda: None)
        self.peers = Peers(Rows([NodeRow(WORKER, "w1", 1, {"endpoint": "http://w1"})]), WORKER)
        self.calls: list[tuple[str, str, object]] = []
        self.error: Exception | None = None
        self.owners = Owners(self.post, self.peers, self.tasks)

    async def post(self, endpoint: str, path: str, body: bytes) -> bytes:
        self.calls.append((endpoint, path, orjson.loads(body)))
        if self.error is not None:
            raise self.error
        return b"{}"


@pytest.fixture
async def stage() -> Stage:
    opened = Stage()
    await opened.peers.refresh()
    return opened


async def test_the_owner_is_told(stage: Stage) -> None:
    running = replace(job(), owner="w1", routes=frozenset({"b", "a"}))
    stage.owners.cancel(running)
    stage.owners.flush(running)
    await until(lambda: not len(stage.tasks))
    assert stage.calls == [
        ("http://w1", CANCEL, {"jobs": [running.job_id]}),
        ("http://w1", FLUSH, {"jobs": [{"id": running.job_id, "routes": ["a", "b"]}]}),
    ]


@pytest.mark.parametrize("error", [Unreachable("no"), Gone("no")])
async def test_an_owner_that_does_not_answer_finds_out_by_itself(stage: Stage, error: Exception) -> None:
    stage.error = error
    stage.owners.cancel(replace(job(), owner="w1"))
    await until(lambda: not len(stage.tasks))
    assert not stage.tasks.died


async def test_nobody_is_told_where_nobody_is_known(stage: Stage) -> None:
    stage.owners.cancel(job())
    stage.owners.cancel(replace(job(), owner="w2"))
    assert not len(stage.tasks)
