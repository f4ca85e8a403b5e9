from dataclasses import replace
from typing import Any

import orjson
import pytest

from app.owners import CANCEL, FLUSH, Owners, Told
from app.tasks import Tasks
from streamer.cluster.calls import Gone, Unreachable
from streamer.cluster.registry import WORKER, Peers
from streamer.jobs.model import Job, Progress, Status
from streamer.store.base import NodeRow
from tests.support.until import until
from tests.unit.app.parts import Rows, job


class Stage:
    def __init__(self) -> None:
        self.tasks = Tasks(lambda: None)
        rows = [NodeRow(WORKER, name, 1, {"endpoint": f"http://{name}"}) for name in ("w1", "w2")]
        self.peers = Peers(Rows(rows), WORKER)
        self.calls: list[tuple[str, str, Any]] = []
        self.answers: dict[str, bytes | Exception] = {}
        self.owners = Owners(self.post, self.peers, self.tasks, "n1")

    async def post(self, endpoint: str, path: str, body: bytes) -> bytes:
        self.calls.append((endpoint, path, orjson.loads(body)))
        answer = self.answers.get(endpoint, b"{}")
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
async def stage() -> Stage:
    opened = Stage()
    await opened.peers.refresh()
    return opened


def owned(name: str, owner: str | None) -> Job:
    return replace(job(), job_id=name, owner=owner)


async def test_the_owner_is_told_of_a_cancel(stage: Stage) -> None:
    stage.owners.cancel(owned("j1", "w1"))
    await until(lambda: not len(stage.tasks))
    assert stage.calls == [("http://w1", CANCEL, {"jobs": ["j1"]})]


async def test_each_owner_is_told_once_of_a_listener_and_says_how_much_there_is(stage: Stage) -> None:
    stage.answers = {"http://w1": b'{"chunks":{"j1":4,"j2":0}}', "http://w2": b'{"chunks":{"j3":9}}'}
    jobs = [owned("j1", "w1"), owned("j2", "w1"), owned("j3", "w2"), owned("j4", None), owned("j5", "unknown")]
    assert await stage.owners.flush(jobs, "c1", watched=True) == {"j1": Told(4), "j2": Told(0), "j3": Told(9)}
    about = {"routes": ["c1"], "at": {"c1": "n1"}, "watched": True}
    assert stage.calls == [
        ("http://w1", FLUSH, {"jobs": [{"id": "j1", **about}, {"id": "j2", **about}]}),
        ("http://w2", FLUSH, {"jobs": [{"id": "j3", **about}]}),
    ]


async def test_an_owner_tells_of_progress_that_is_not_written_yet(stage: Stage) -> None:
    newest = {"attempt": 1, "seq": 5, "percentage": 50, "message": "half", "metadata": {"rows": 1}, "chunks": 3}
    stage.answers = {"http://w1": orjson.dumps({"chunks": {"j1": 3, "j2": 0}, "progress": {"j1": newest}})}
    told = await stage.owners.flush([owned("j1", "w1"), owned("j2", "w1")], "c1")
    progress = Progress(50.0, "half", {"rows": 1}, chunks=3)
    assert told == {"j1": Told(3, progress, 1, 5), "j2": Told(0)}


async def test_so_does_one_whose_log_is_behind(stage: Stage) -> None:
    newest = {"attempt": 1, "seq": 5, "percentage": 50, "message": "", "metadata": None, "chunks": 0}
    stage.answers = {"http://w1": orjson.dumps({"chunks": {}, "progress": {"j1": newest}})}
    assert await stage.owners.flush([owned("j1", "w1")], "c1") == {"j1": Told(None, Progress(50.0), 1, 5)}


def test_it_is_put_onto_the_row_of_the_same_attempt() -> None:
    row = replace(job(), status=Status.PROCESSING, attempt=2, seq=4)
    newest = Told(0, Progress(50.0), 2, 5)
    assert newest.onto(row) == replace(row, progress=Progress(50.0), seq=5)
    assert newest.onto(replace(row, seq=9)).seq == 9, "a checkpoint has that number"
    for told in (Told(3), newest._replace(attempt=1)):
        assert told.onto(row) == row
    over = replace(row, status=Status.RETRYING)
    assert newest.onto(over) == over


NONSENSE = [b"", b"[]", b'{"chunks":7}', b'{"chunks":{"j":[]}}', b'{"chunks":{"j":1},"progress":{"j":{}}}']


@pytest.mark.parametrize("answer", [Unreachable("no"), Gone("no"), *NONSENSE])
async def test_an_owner_that_does_not_answer_is_left_out(stage: Stage, answer: bytes | Exception) -> None:
    stage.answers = {"http://w1": answer, "http://w2": b'{"chunks":{"j2":1}}'}
    assert await stage.owners.flush([owned("j1", "w1"), owned("j2", "w2")], "c1") == {"j2": Told(1)}
    assert not stage.calls[0][2]["jobs"][0]["watched"]


async def test_an_owner_that_is_not_told_of_a_cancel_finds_out_by_itself(stage: Stage) -> None:
    stage.answers = {"http://w1": Unreachable("no")}
    stage.owners.cancel(owned("j1", "w1"))
    await until(lambda: not len(stage.tasks))
    assert not stage.tasks.died


async def test_nobody_is_told_where_nobody_is_known(stage: Stage) -> None:
    stage.owners.cancel(owned("j1", None))
    stage.owners.cancel(owned("j1", "w3"))
    assert not len(stage.tasks)
    assert await stage.owners.flush([], "c1") == {}
