"""A process that plays workers: their real couriers and lanes, with frames of jobs that nobody runs.

python -m benchmarks.sender SOCKET

Takes orders at a Unix socket, one line of JSON per call, and answers with what that took.
"""

import asyncio
import itertools
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, Final

import orjson

from streamer.cluster.audience import audience
from streamer.cluster.calls import Caller
from streamer.cluster.courier import Courier
from streamer.cluster.lanes import Lanes
from streamer.cluster.registry import APP, Peers
from streamer.jobs.model import Job, Progress
from streamer.process import cluster_keys
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.settings import Settings
from streamer.store.base import Store
from streamer.store.open import open_store
from streamer.telemetry.metrics import Metrics

MAX_LINE: Final = 1 << 20
FLUSH_S: Final = 5.0
_numbers = itertools.count(1)  # of frames: each is after all others, whatever job it is about


class Worker:
    """One courier, with a lane to each node; its jobs, and to whom each one's frames go."""

    def __init__(self, store: Store, peers: Peers, caller: Caller) -> None:
        metrics = Metrics()
        lanes = Lanes(self._post, metrics)
        self._courier = Courier(lanes=lanes, peers=peers, connections=store.connections, metrics=metrics)
        self._caller = caller
        self._under_way = 0  # frames that no node has answered for
        self._room = asyncio.Event()
        self.jobs: list[tuple[Job, frozenset[str]]] = []

    async def flood(self, seconds: float) -> int:
        """Sends as fast as the lane takes it, a frame of each job at most at a time, so that none replaces another."""
        sent, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            for job, to in self.jobs:
                while self._under_way >= len(self.jobs):
                    self._room.clear()
                    await self._room.wait()
                self.say(job, to)
                self._under_way += 1
                sent += 1
        await self.flush()
        return sent

    def say(self, job: Job, to: frozenset[str], text: str = "a message of an ordinary length") -> None:
        number = next(_numbers)
        place, progress = Place(job.client_id, job.job_id, 1, number), Progress(number / 1e7, text)
        frame = frames.progress(place, progress, time.time())
        self._courier.send(job, "progress", number, frame, to=to, percentage=progress.percentage, attempt=1)

    async def flush(self) -> None:
        await self._courier.flush(FLUSH_S)

    async def _post(self, endpoint: str, path: str, body: bytes) -> bytes:
        answer = await self._caller.post(endpoint, path, body)
        self._under_way -= (body.count(b"\n") + 1) // 2
        self._room.set()
        return answer


class Orders:
    """What the benchmark asks of this process."""

    def __init__(self, store: Store, peers: Peers, caller: Caller) -> None:
        self._store = store
        self._peers = peers
        self._caller = caller

    async def flood(self, jobs: list[str], lanes: int, seconds: float) -> Mapping[str, float]:
        """Every lane as full as it goes, each a worker's of its own."""
        workers = [await self._worker(jobs[number::lanes]) for number in range(lanes)]
        start, cpu = time.perf_counter(), time.process_time()
        sent = sum(await asyncio.gather(*(worker.flood(seconds) for worker in workers)))
        return {"sent": sent, "seconds": time.perf_counter() - start, "cpu_s": time.process_time() - cpu}

    async def pace(self, jobs: list[str], loud: list[str], ticks: int, tick_s: float) -> Mapping[str, float]:
        """At each tick one frame, of one job after the other, and a big one of every loud job."""
        worker, shouting = await self._worker(jobs), await self._worker(loud)
        turns = itertools.cycle(worker.jobs)
        for _ in range(ticks):
            worker.say(*next(turns))
            for job, to in shouting.jobs:
                shouting.say(job, to, "loud " * 600)
            await asyncio.sleep(tick_s)
        await worker.flush()
        await shouting.flush()
        return {"sent": ticks}

    async def _worker(self, job_ids: list[str]) -> Worker:
        await self._peers.refresh()
        worker = Worker(self._store, self._peers, self._caller)
        rows = await self._store.requests.get_many(job_ids)
        worker.jobs = [(rows[each], await audience(rows[each], self._store.subscriptions)) for each in job_ids]
        return worker


async def serve(path: str) -> None:
    settings = Settings.read()
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings.store))
        caller = await stack.enter_async_context(Caller(cluster_keys(settings)[0]))
        orders = Orders(store, Peers(store.nodes, APP), caller)

        async def obey(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked: dict[str, Any] = orjson.loads(await reader.readline())
            answer = await getattr(orders, asked.pop("do"))(**asked)
            writer.write(orjson.dumps(answer) + b"\n")
            writer.close()

        server = await asyncio.start_unix_server(obey, path, limit=MAX_LINE)
        await server.serve_forever()


async def order(path: str, do: str, **asked: Any) -> dict[str, float]:
    """Has the process at `path` do something, and waits for its answer."""
    reader, writer = await asyncio.open_unix_connection(path, limit=MAX_LINE)
    writer.write(orjson.dumps({"do": do, **asked}) + b"\n")
    answer: dict[str, float] = orjson.loads(await reader.readline())
    writer.close()
    return answer


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
