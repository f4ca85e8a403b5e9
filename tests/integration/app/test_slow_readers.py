"""A client that stops reading: what it costs, whom, and what it has in the end."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import pytest
from websockets.exceptions import ConnectionClosed

from app import outbox
from app.connection import Connection
from app.outbox import Outbox
from streamer.jobs.model import Job, Progress
from streamer.protocol import frames
from streamer.protocol.codes import Close
from streamer.protocol.frames import Place
from streamer.store.base import Chunk
from tests.integration.app.house import Client, House
from tests.integration.app.test_jobs import job_id
from tests.support.until import until

PROGRESS: Final = 10_000
CHUNKS: Final = 1_000
FRAMES_AT_ONCE: Final = 110
CHUNKS_AT_ONCE: Final = 16
LINE: Final = b'"' + b"x" * 1_000 + b'"'
SMALL_BUFFER: Final = 4_096

T = TypeVar("T")


@dataclass
class Peak:
    """The most that ever waited in any outbox."""

    frames: int = 0
    size: int = 0


@pytest.fixture
def peak(monkeypatch: pytest.MonkeyPatch) -> Peak:
    peak = Peak()
    queue = Outbox._queue

    def noted(box: Outbox, key: object, frame: bytes) -> None:
        queue(box, key, frame)
        peak.frames = max(peak.frames, len(box._waiting))
        peak.size = max(peak.size, box._size)

    monkeypatch.setattr(Outbox, "_queue", noted)
    return peak


@dataclass
class Hand:
    """What a worker says of one job, and stores of its output."""

    node: House
    job: Job
    seq: int = 0
    emitted: int = 0
    pairs: list[tuple[dict[str, Any], bytes]] = field(default_factory=list)  # to be sent
    unstored: list[Chunk] = field(default_factory=list)

    def progress(self, percentage: float) -> None:
        self.seq += 1
        body = frames.progress(self._place, Progress(percentage, "a message of an ordinary length"), 0.0)
        self._say("progress", body, p=percentage)

    def emit(self) -> None:
        self.seq += 1
        self.unstored.append(Chunk(self.emitted, self.job.attempt, self.seq, LINE))
        self._say("chunk", frames.chunk(self._place, self.emitted, LINE, 0.0))
        self.emitted += 1

    def everything(self) -> None:
        """10,000 times progress, and a chunk after each tenth of them."""
        for number in range(PROGRESS):
            self.progress(100 * number / PROGRESS)
            if number % (PROGRESS // CHUNKS) == 0:
                self.emit()

    async def store(self) -> None:
        chunks, self.unstored = self.unstored, []
        for batch in slices(chunks, CHUNKS_AT_ONCE):
            await self.node.store.events.append_events(self.job, batch)

    async def send(self, has_arrived: Callable[[int], bool] = lambda _: True) -> None:
        """A POST at a time, no faster than those read who do; `has_arrived` is asked about so many chunks."""
        pairs, self.pairs = self.pairs, []
        for batch in slices(pairs, FRAMES_AT_ONCE):
            await self.node.deliver_all(list(batch))
            sent = batch[-1][0].get("h", 0)
            await until(partial(has_arrived, sent), what=f"{sent} chunks")

    async def complete(self) -> None:
        self.seq += 2
        self.job = await self.node.requests.complete(self.job, b'"done"', self.seq, chunks=self.emitted)
        self._say("outcome", frames.complete(self._place, b'"done"', self.emitted, 0.0))
        await self.send()

    @property
    def _place(self) -> Place:
        return Place(self.job.client_id, self.job.job_id, self.job.attempt, self.seq)

    def _say(self, kind: str, body: bytes, **meta: Any) -> None:
        before = {"h": self.emitted} if self.emitted else {}
        self.pairs.append((self.node.meta(self.job, kind, self.seq, **before, **meta), body))


def slices(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def chunks_of(client: Client) -> list[int]:
    return [frame["index"] for frame in client.seen if frame["type"] == "chunk"]


async def stopped_reading(node: House) -> Client:
    """A client with small buffers of its own that has asked for a job, and reads nothing more."""
    address = urlsplit(node.server.url)
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL_BUFFER)
    plug.setblocking(False)
    await asyncio.get_running_loop().sock_connect(plug, (address.hostname, address.port))
    client = await node.client(v1=True, sock=plug)
    assert (await client.ask(action="queued", id="r1"))["type"] == "acknowledgment"
    client.socket.transport.pause_reading()
    return client


async def read_on(client: Client) -> int:
    """Reads what there is. Returns the close code."""
    client.socket.transport.resume_reading()
    with contextlib.suppress(ConnectionClosed):
        while True:
            await client.next()
    return await client.closed()


def the_only_one(node: House) -> Connection:
    (connection,) = node.node.hub
    return connection


async def resumed(node: House, former: Client) -> Client:
    """The same client on a new socket, with what it had."""
    newest = next(frame for frame in reversed(former.seen) if "seq" in frame)
    seen = {"attempt": newest["attempt"], "seq": newest["seq"], "chunks": len(chunks_of(former))}
    client = await node.client(v1=True)
    connection_id = former.seen[0]["connection_id"]
    await client.send(type="resume", connection_id=connection_id, n=1, requests=[{"request_id": "r1", **seen}])
    answer = await client.next("resumed")
    assert [(each["request_id"], each["recovered"]) for each in answer["requests"]] == [("r1", True)]
    return client


@dataclass
class Reader:
    """A client that asked for the same job and reads all the time."""

    client: Client
    outcome: asyncio.Task[dict[str, Any]]

    def has(self, chunks: int) -> bool:
        """Whether it has so many; it may have more."""
        return len(chunks_of(self.client)) >= chunks


@contextlib.asynccontextmanager
async def reading(node: House, count: int) -> AsyncIterator[list[Reader]]:
    clients = [await node.client(v1=True) for _ in range(count)]
    for client in clients:
        await client.ask(action="queued", id="r1")
    readers = [Reader(client, asyncio.create_task(client.next("complete"))) for client in clients]
    yield readers
    for reader in readers:
        reader.outcome.cancel()


async def test_a_slow_reader_is_cut_off_and_has_everything_when_it_is_back(node: House, peak: Peak) -> None:
    slow = await stopped_reading(node)
    connection = the_only_one(node)
    async with reading(node, 3) as readers:
        worker = Hand(node, await node.claimed(job_id("r1")))
        worker.everything()
        await worker.store()
        await worker.send(lambda chunks: all(reader.has(chunks) for reader in readers))
        assert connection.outbox.closed
        await worker.complete()
        for reader in readers:  # nobody else noticed
            assert (await reader.outcome)["chunks"] == CHUNKS
            assert chunks_of(reader.client) == list(range(CHUNKS))
    assert peak.frames == outbox.MAX_FRAMES
    assert peak.size <= outbox.MAX_BYTES

    assert await read_on(slow) == Close.TOO_SLOW
    got = chunks_of(slow)
    assert got == list(range(len(got))), "none skipped before the end"
    assert len(got) < CHUNKS
    assert "streamer_slow_readers_total 1.0" in node.node.metrics.exposition().decode()

    back = await resumed(node, slow)
    outcome = await back.next("complete")
    assert (outcome["result"], outcome["chunks"]) == ("done", CHUNKS)
    assert got + chunks_of(back) == list(range(CHUNKS))


async def test_progress_alone_closes_nobody(node: House, peak: Peak) -> None:
    slow = await stopped_reading(node)
    worker = Hand(node, await node.claimed(job_id("r1")))
    for number in range(PROGRESS):
        worker.progress(100 * number / PROGRESS)
    await worker.send()
    await worker.complete()
    assert not the_only_one(node).outbox.closed
    assert 0 < peak.frames <= 3, "one progress, the last one, and the outcome"

    slow.socket.transport.resume_reading()
    assert (await slow.next("complete"))["result"] == "done"
    newest = [frame["percentage"] for frame in slow.seen if frame["type"] == "progress"]
    assert len(newest) < PROGRESS
    assert newest == sorted(newest)
    assert newest[-1] == 100


async def test_what_is_read_from_the_log_is_pulled_by_its_reader(node: House, peak: Peak) -> None:
    slow = await stopped_reading(node)
    connection = the_only_one(node)
    worker = Hand(node, await node.claimed(job_id("r1")))
    for _ in range(CHUNKS):
        worker.emit()
    worker.pairs.clear()  # nobody hears of them, until the outcome says how many there are
    await worker.store()
    await worker.complete()
    await until(lambda: connection.outbox.writer is not None, what="the socket is full")

    slow.socket.transport.resume_reading()
    assert (await slow.next("complete"))["chunks"] == CHUNKS
    assert chunks_of(slow) == list(range(CHUNKS))
    assert peak.frames <= 3, "the last chunk, and what ends it"


async def test_answers_that_nobody_reads_end_the_connection_that_asked_for_them(node: House) -> None:
    slow, quick = await node.client(max_queue=1), await node.client()
    slow.socket.transport.pause_reading()
    connection = next(iter(node.node.hub))
    for number in range(200):
        await slow.send(action="big", id=f"r{number}", payload={"size": 100_000})
        if connection.outbox.closed:
            break
    await until(lambda: connection.outbox.closed)
    assert (await quick.ask(action="echo"))["type"] == "response"
    assert await read_on(slow) == Close.TOO_SLOW
    assert "streamer_slow_readers_total 1.0" in node.node.metrics.exposition().decode()
