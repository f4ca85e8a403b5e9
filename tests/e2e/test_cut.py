"""One long output, a client whose connection is cut a hundred times, workers that die: what it has in the end is, byte
for byte, what it would have had without."""

import asyncio
import functools
from typing import Any

import orjson
import pytest

from streamer.client import Chunk, Completed, Retrying, Session, connect
from tests.conftest import STORES
from tests.support import acme
from tests.support.cutter import Cutter
from tests.support.processes import Process
from tests.support.switch import Switch
from tests.support.system import System
from tests.support.until import until
from tests.support.wire import token

CHUNKS = 5_000
CUTS = 100
SIZE = 100


def uncut(chunks: int) -> bytes:
    return orjson.dumps([{"i": index, "text": acme.text(index, SIZE)} for index in range(chunks)])


class Reader:
    """A program that uses the client and knows nothing of connections; cut again and again."""

    def __init__(self, switch: Switch, cuts: int) -> None:
        self.output: list[Any] = []
        self.completed: Completed | None = None
        self.cutter = Cutter(switch, cuts)

    async def read(self, session: Session, payload: dict[str, Any]) -> None:
        async for event in session.submit("stream", payload, id="r1"):
            match event:
                case Chunk():
                    self.output.append(event.data)
                    self.cutter.piece()
                case Retrying():
                    del self.output[event.continues_from :]
                case Completed():
                    self.completed = event

    def has(self, much: int) -> bool:
        return len(self.output) >= much


@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", STORES[-1:], indirect=True)
async def test_a_hundred_cuts_leave_no_trace(streamer: System) -> None:
    nodes = [await streamer.node() for _ in range(3)]
    await streamer.worker()
    payload = {"chunks": CHUNKS, "chunk_s": 0.016, "size": SIZE}
    async with Switch([await node.url() for node in nodes]) as switch:
        reader = Reader(switch, CUTS)
        async with connect(switch.url, token()) as session:
            await reader.read(session, payload)
        assert switch.passed_on > CUTS

    assert reader.cutter.cuts == CUTS
    assert reader.completed is not None
    assert (reader.completed.chunks, reader.completed.attempt) == (CHUNKS, 1)
    assert orjson.dumps(reader.output) == uncut(CHUNKS)
    for node in nodes:
        assert node.events("connection_rebound"), "each node had the client for a while"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("engine", STORES[:1], indirect=True)
@pytest.mark.parametrize("checkpoint_every", [None, 100], ids=["no checkpoints", "checkpoints"])
async def test_neither_do_two_dead_workers(streamer: System, checkpoint_every: int | None) -> None:
    nodes = [await streamer.node() for _ in range(3)]
    workers = [await streamer.worker() for _ in range(2)]
    payload = {"chunks": CHUNKS, "chunk_s": 0.002, "size": SIZE, "checkpoint_every": checkpoint_every}
    async with Switch([await node.url() for node in nodes]) as switch:
        reader = Reader(switch, 10)
        async with connect(switch.url, token()) as session:
            reading = asyncio.create_task(reader.read(session, payload))
            for attempt, much in ((1, 1_000), (2, 2_000)):
                await until(functools.partial(reader.has, much), timeout_s=120)
                await _kill_owner(streamer, workers, attempt)
                workers.append(await streamer.worker())
            await reading

    assert reader.cutter.cuts == 10
    assert reader.completed is not None
    assert (reader.completed.chunks, reader.completed.attempt) == (CHUNKS, 3)
    assert orjson.dumps(reader.output) == uncut(CHUNKS)
    row = await streamer.row("r1")
    assert bool(row.kept) == (checkpoint_every is not None)


async def _kill_owner(streamer: System, workers: list[Process], attempt: int) -> None:
    row = await streamer.running("r1", attempt=attempt)
    owner = next(worker for worker in workers if worker.events("worker_ready", session=row.owner))
    owner.kill()
    await owner.ended()
