"""A worker that writes and sends an outcome while its client comes back elsewhere."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Collection, Mapping

import pytest

from streamer.jobs.model import Job
from streamer.store.base import Connection
from tests.integration.app.house import Ear, House, listening_worker, outcome

RACES = 200
SHORT_S = 5.0
"""Below the 15 s after which a silent job is read again: what comes sooner was not lost."""
STEPS = ("before", "bound", "read", "after")
"""Of a resume: the connection is bound here, then the rows were read, then the answer was sent."""
PAIRS = [(row, frame) for row, frame in itertools.product(STEPS, STEPS) if STEPS.index(row) <= STEPS.index(frame)]


class Worker:
    """Writes the outcome of a job and then sends it, each at its step of a resume; or both while that goes on."""

    def __init__(self, here: House, there: House, job: Job, ear: Ear) -> None:
        self._here = here  # where the job's client was
        self._there = there  # where it comes back
        self._job = job
        self._ear = ear
        self.plan: list[tuple[str, Callable[[], Awaitable[None]]]] = []
        ear.emitted[job.job_id] = 0

    async def at(self, step: str) -> None:
        """Does what is planned up to this step."""
        while self.plan and STEPS.index(self.plan[0][0]) <= STEPS.index(step):
            await self.plan.pop(0)[1]()

    async def write(self) -> None:
        self._job = await self._here.requests.complete(self._job, b"1", 3)

    async def send(self) -> None:
        """To the node that it was told of, else to the one that it knows; from there, where the connection is gone, to
        the one that its row names."""
        del self._ear.emitted[self._job.job_id]
        told = any(each["id"] == self._job.job_id for each in self._ear.heard)
        first = self._there if told else self._here
        answer = await first.deliver(self._job, "outcome", 3, outcome(self._job, b"1"))
        for connection_id in answer["gone"]:
            row = await self._here.bound(connection_id)
            if row is not None and row.node_id == self._there.node.node_id:
                await self._there.deliver(self._job, "outcome", 3, outcome(self._job, b"1"), c=[connection_id])

    async def write_and_send(self) -> None:
        await self.write()
        await self.send()


@pytest.mark.timeout(120)
async def test_no_outcome_falls_between_a_worker_and_a_client_that_comes_back(
    node: House, second: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """200 races: half of them in every order of the worker's two steps and the node's, while the former node has not
    heard of the move; half as chance has it."""
    chance = random.Random(7)
    ear = Ear()
    async with listening_worker(node, ear):
        await second.knows_worker("worker1")
        for race in range(RACES):
            here, there = (node, second) if race % 2 else (second, node)
            before, after = await here.client(v1=True), await there.client(v1=True)
            worker = Worker(here, there, await here.running(before, f"r{race}"), ear)
            with monkeypatch.context() as patch:
                if race % 4 < 2:
                    row, frame = PAIRS[race // 4 % len(PAIRS)]
                    worker.plan = [(row, worker.write), (frame, worker.send)]
                    patch.setattr("app.binding.Bindings._tell", lambda *_: None)
                    _tell_steps(patch, there, worker)
                    await worker.at("before")
                    working = asyncio.create_task(_nothing(), name="worker")
                else:
                    working = asyncio.create_task(worker.write_and_send(), name="worker")
                    await _some_rounds(chance)
                await after.resume(f"r{race}", connection_id=before.connection_id, n=1)
                await worker.at("after")
                await working
            got = [await after.next(timeout_s=SHORT_S) for _ in range(2)]
            told = [(each["type"], each["request_id"]) for each in got]
            assert told == [("progress", f"r{race}"), ("complete", f"r{race}")]
            assert await after.is_silent()
            await before.socket.close()
            await after.socket.close()


async def _nothing() -> None:
    pass


async def _some_rounds(chance: random.Random) -> None:
    for _ in range(chance.randrange(200)):
        await asyncio.sleep(0)


def _tell_steps(patch: pytest.MonkeyPatch, there: House, worker: Worker) -> None:
    connections, requests = there.node.registrar._connections, there.node.listeners._requests
    rebind, get_many = connections.rebind, requests.get_many

    async def bound(row: Connection) -> Connection | None:
        former = await rebind(row)
        await worker.at("bound")
        return former

    async def read(job_ids: Collection[str]) -> Mapping[str, Job]:
        rows = await get_many(job_ids)
        await worker.at("read")
        return rows

    patch.setattr(connections, "rebind", bound)
    patch.setattr(requests, "get_many", read)
