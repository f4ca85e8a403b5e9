"""Jobs through a node and a worker on SQLite: how many, and how soon after the acknowledgment a handler starts."""

import asyncio
import contextlib
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from benchmarks import processes
from streamer.client import Session, connect
from streamer.jobs import ids
from streamer.jobs.model import Submission
from streamer.store.open import open_store

SOCKETS: Final = 50
JOBS_EACH: Final = 60
IN_FLIGHT_EACH: Final = 20
ALONE: Final = 300
ACTION: Final = "benchmark_clock"


async def jobs_per_s(url: str, token: str) -> float:
    async with contextlib.AsyncExitStack() as stack:
        sessions = [await stack.enter_async_context(connect(url, token)) for _ in range(SOCKETS)]
        start = time.perf_counter()
        await asyncio.gather(*(_many(session) for session in sessions))
        return SOCKETS * JOBS_EACH / (time.perf_counter() - start)


async def _many(session: Session) -> None:
    turn = asyncio.Semaphore(IN_FLIGHT_EACH)

    async def one() -> None:
        async with turn:
            await session.call(ACTION, {})

    await asyncio.gather(*(one() for _ in range(JOBS_EACH)))


async def start_delay_ms(url: str, token: str) -> float:
    """p50 from the time stamp of the acknowledgment to the handler's first line, one job at a time."""
    delays: list[float] = []
    async with connect(url, token) as session:
        for _ in range(ALONE):
            submission = session.submit(ACTION, {})
            started = await submission
            assert submission.acknowledged is not None
            delays.append(float(started - submission.acknowledged.timestamp) * 1000)
    return statistics.median(delays)


async def update_ms(folder: Path) -> float:
    """p50 of one conditional update (a claim) on a store of the same kind."""
    async with open_store(f"sqlite:///{folder / 'floor.db'}") as store:
        await store.create()
        taken: list[float] = []
        for number in range(ALONE):
            enqueued = await store.requests.enqueue(_submission(str(number)))
            start = time.perf_counter()
            await store.requests.claim(enqueued.job.job_id, "default", "floor")
            taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken)


def _submission(client_id: str) -> Submission:
    return Submission(
        tenant="bench",
        user="bench",
        client_id=client_id,
        action=ACTION,
        payload=b"{}",
        payload_hash=ids.payload_hash(ACTION, {}),
        start_within_ms=3_600_000,
    )


async def measure(port: int, pids: tuple[int, int], folder: Path) -> None:
    url, token = f"ws://127.0.0.1:{port}/ws", processes.token()
    await jobs_per_s(url, token)  # warm-up
    before = [processes.cpu_s(pid) for pid in pids]
    rate = await jobs_per_s(url, token)
    node, worker = (
        (processes.cpu_s(pid) - cpu) * 1e6 / (SOCKETS * JOBS_EACH) for pid, cpu in zip(pids, before, strict=True)
    )
    print(f"  {rate:.0f} jobs/s · CPU per job: node {node:.0f} µs, worker {worker:.0f} µs")
    delay, update = await start_delay_ms(url, token), await update_ms(folder)
    print(f"  acknowledgment to handler p50 {delay:.2f} ms · one conditional update p50 {update:.2f} ms")
    print(f"  ratio {delay / update:.2f}")


def main() -> None:
    print(f"Jobs through one node and one worker on SQLite, {SOCKETS} sockets")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        environment = processes.environment(folder)
        with processes.node(environment) as (node, port), processes.worker(environment) as worker:
            asyncio.run(measure(port, (node, worker), folder))


if __name__ == "__main__":
    main()
