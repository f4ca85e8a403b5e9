"""A worker is killed with fifty running jobs: how long until it is found dead, and until all of them run elsewhere."""

import asyncio
import os
import signal
import time
from collections.abc import Mapping
from typing import Final

from benchmarks import processes, stores
from benchmarks.stores import Place
from streamer.client import connect
from streamer.jobs.model import Job, Status
from streamer.store.base import Store

JOBS: Final = 50
LOOK_S: Final = 0.05
GIVE_UP_S: Final = 60.0
ACTION: Final = "benchmark_sleep"


async def measure(place: Place, url: str, victim: int) -> None:
    async with place.open() as store, connect(url, processes.token()) as session:
        submissions = [session.submit(ACTION, {}) for _ in range(JOBS)]
        running = await _running(store, attempt=1)
        with processes.worker(place.environment):
            dead, taken = await _recovered(store, victim, next(iter(running.values())).owner)
        print(f"  {place.name}: row removed after {dead:.1f} s, all {JOBS} running elsewhere after {taken:.1f} s")
        await asyncio.gather(*(submission.cancel() for submission in submissions), return_exceptions=True)


async def _recovered(store: Store, victim: int, session: str | None) -> tuple[float, float]:
    """Seconds from the kill to the end of the session's row, and to the start of the last job elsewhere."""
    os.kill(victim, signal.SIGKILL)
    killed = time.monotonic()
    dead = asyncio.create_task(_gone(store, session, killed))
    await _running(store, attempt=2)
    taken = time.monotonic() - killed
    return await dead, taken


async def _running(store: Store, *, attempt: int) -> Mapping[str, Job]:
    """The jobs, as soon as all of them run in this attempt."""
    async with asyncio.timeout(GIVE_UP_S):
        while True:
            rows = await store.requests.list_by_user(processes.TENANT, processes.USER, JOBS)
            ready = {row.job_id: row for row in rows if (row.status, row.attempt) == (Status.PROCESSING, attempt)}
            if len(ready) == JOBS:
                return ready
            await asyncio.sleep(LOOK_S)


async def _gone(store: Store, session: str | None, since: float) -> float:
    async with asyncio.timeout(GIVE_UP_S):
        while True:
            if all(row.node_id != session for row in await store.nodes.list("worker")):
                return time.monotonic() - since
            await asyncio.sleep(LOOK_S)


def main() -> None:
    print(f"A worker is killed with {JOBS} running jobs; sessions beat every 2 s and are dead after 10 s")
    for opened in (stores.sqlite, stores.dynamodb):
        with (
            opened() as place,
            processes.node(place.environment) as (_, port),
            processes.worker(place.environment) as victim,
        ):
            asyncio.run(measure(place, f"ws://127.0.0.1:{port}/ws", victim))


if __name__ == "__main__":
    main()
