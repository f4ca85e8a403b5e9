"""Jobs through a node and workers: how many, at what cost, and how soon after the acknowledgment a handler starts."""

import asyncio
import contextlib
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks import processes, stores
from benchmarks.stores import Place
from streamer.client import Session, connect
from streamer.jobs import ids
from streamer.jobs.model import Submission

SOCKETS: Final = 50
IN_FLIGHT_EACH: Final = 20
ACTION: Final = "benchmark_clock"


@dataclass(frozen=True, slots=True)
class Load:
    """How much an engine is asked for: DynamoDB Local does some 200 writes a second."""

    jobs_each: int  # per socket
    alone: dict[str, int]  # one after the other, by the way in which workers hear of them


LOADS: Final = {
    "SQLite": Load(60, {"direct": 300, "sweep": 10}),
    "DynamoDB Local": Load(8, {"direct": 150, "stream": 40, "sweep": 10}),
}


@dataclass(frozen=True, slots=True)
class Delays:
    """p50, in ms."""

    start_ms: float  # from the time stamp of the acknowledgment to the handler's first line
    update_ms: float  # of one conditional update, between the jobs


# --- many at a time -------------------------------------------------------------------------------------------


async def jobs_per_s(url: str, each: int) -> float:
    async with contextlib.AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(connect(url, processes.token())) for _ in range(SOCKETS)]
        start = time.perf_counter()
        await asyncio.gather(*(_many(session, each) for session in sessions))
        return SOCKETS * each / (time.perf_counter() - start)


async def _many(session: Session, jobs: int) -> None:
    turn = asyncio.Semaphore(IN_FLIGHT_EACH)

    async def one() -> None:
        async with turn:
            await session.call(ACTION, {})

    await asyncio.gather(*(one() for _ in range(jobs)))


def throughput(place: Place, workers: int) -> None:
    each = LOADS[place.name].jobs_each
    with system(place, workers) as (url, pids):
        asyncio.run(jobs_per_s(url, each))  # warm-up
        before = [processes.cpu_s(pid) for pid in pids]
        rate = asyncio.run(jobs_per_s(url, each))
        used = [(processes.cpu_s(pid) - cpu) * 1e6 / (SOCKETS * each) for pid, cpu in zip(pids, before, strict=True)]
    node, worker = used[0], sum(used[1:])
    print(f"  {workers} worker(s): {rate:.0f} jobs/s · CPU per job: node {node:.0f} µs, workers {worker:.0f} µs")


# --- one at a time --------------------------------------------------------------------------------------------


async def start_delays(place: Place, url: str, jobs: int) -> Delays:
    """One job, then one update (a claim) from this process to the same store, and so on in turn."""
    starts: list[float] = []
    updates: list[float] = []
    async with connect(url, processes.token()) as session, place.open() as store:
        for _ in range(jobs):
            submission = session.submit(ACTION, {})
            started = await submission
            assert submission.acknowledged is not None
            starts.append(float(started - submission.acknowledged.timestamp) * 1000)
            enqueued = await store.requests.enqueue(_submission())
            begun = time.perf_counter()
            await store.requests.claim(enqueued.job.job_id, "floor", "floor")
            updates.append((time.perf_counter() - begun) * 1000)
    return Delays(statistics.median(starts), statistics.median(updates))


def _submission() -> Submission:
    return Submission(
        tenant=processes.TENANT,
        user=processes.USER,
        client_id=ids.nonce(),
        action=ACTION,
        queue="floor",
        payload=b"{}",
        payload_hash=ids.payload_hash(ACTION, {}),
        start_within_ms=3_600_000,
    )


def latency(place: Place, way: str) -> None:
    with system(place, 1, STREAMER_WAKEUPS=way) as (url, _):
        asyncio.run(start_delays(place, url, 5))  # warm-up
        p50 = asyncio.run(start_delays(place, url, LOADS[place.name].alone[way]))
    ratio = p50.start_ms / p50.update_ms
    print(
        f"  {way} alone: p50 {p50.start_ms:.2f} ms · one conditional update {p50.update_ms:.2f} ms · ratio {ratio:.2f}"
    )


# --- both -----------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def system(place: Place, workers: int, **env: str) -> Iterator[tuple[str, Sequence[int]]]:
    """The URL of a node, and the pids of node and workers."""
    environment = {**place.environment, **env}
    with contextlib.ExitStack() as stack:
        node, port = stack.enter_context(processes.node(environment))
        pids = [stack.enter_context(processes.worker(environment)) for _ in range(workers)]
        yield f"ws://127.0.0.1:{port}/ws", [node, *pids]


def main() -> None:
    for opened in (stores.sqlite, stores.dynamodb):
        with opened() as place:
            print(f"Jobs through one node on {place.name}, {SOCKETS} sockets")
            for workers in (1, 2):
                throughput(place, workers)
            print("From the stored acknowledgment to the handler's first line, one job at a time")
            for way in LOADS[place.name].alone:
                latency(place, way)


if __name__ == "__main__":
    main()
