"""Frames of jobs from workers to clients, on SQLite: a process that plays workers, real nodes, real sockets.

Printed:

* worker to socket, through one lane and through four: frames per second, and the CPU that a frame costs its worker
  and its node;
* one frame at a time: from the worker's `send` to the client, p50 and p99;
* many watchers of one job on two nodes: from `send` to the first and to the last of them, and the CPU of the nodes
  per frame and watcher;
* one reader that stopped reading: what it costs its node in memory, and what the others notice of it.
"""

import asyncio
import contextlib
import itertools
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from benchmarks import processes
from benchmarks.listeners import Listener
from benchmarks.load import opened
from benchmarks.sender import order

SOCKETS: Final = 50
JOBS_EACH: Final = 20
FLOOD_S: Final = 4.0
TICKS: Final = 500
TICK_S: Final = 0.005
LOUD: Final = 20
WATCHERS_EACH: Final = 500
FRAMES_TO_ALL: Final = 50
FRAME_TO_ALL_S: Final = 0.1
SETTLE_S: Final = 0.3
PATIENCE_S: Final = 30.0


@dataclass
class Stage:
    """Two nodes, and the process that plays workers."""

    pids: Sequence[int]  # of the nodes
    ports: Sequence[int]
    sender: str  # the socket at which it takes orders

    async def listeners(self, node: int, names: Iterable[str], jobs: int) -> list[Listener]:
        """Open sockets of one node, each with so many jobs."""
        listeners = await opened(self.ports[node], [Listener(name, processes.token()) for name in names])
        for listener in listeners:
            listener.submit(jobs)
        await until(lambda: all(listener.admitted == jobs for listener in listeners))
        return listeners


async def worker_to_socket(stage: Stage) -> None:
    listeners = await stage.listeners(0, (f"flood{number}" for number in range(SOCKETS)), JOBS_EACH)
    jobs = [job for listener in listeners for job in listener.jobs]
    for lanes in (1, 4):
        cpu, received = processes.cpu_s(stage.pids[0]), received_by(listeners)
        took = await order(stage.sender, "flood", jobs=jobs, lanes=lanes, seconds=FLOOD_S)
        await asyncio.sleep(SETTLE_S)
        received = received_by(listeners) - received
        of_node, of_worker = ((used / received) * 1e6 for used in (processes.cpu_s(stage.pids[0]) - cpu, took["cpu_s"]))
        print(
            f"  {lanes} lane{'s' * (lanes > 1)}: {received / took['seconds']:.0f} frames/s "
            f"({100 * received / took['sent']:.0f} % of those sent) · "
            f"CPU per frame: worker {of_worker:.1f} µs, node {of_node:.1f} µs"
        )
    close(listeners)


async def one_at_a_time(stage: Stage) -> None:
    listeners = await stage.listeners(0, ["alone"], 1)
    await order(stage.sender, "pace", jobs=listeners[0].jobs, loud=[], ticks=TICKS, tick_s=TICK_S)
    await asyncio.sleep(SETTLE_S)
    print(f"  from send to client: {percentiles(listeners)}")
    close(listeners)


async def many_watchers(stage: Stage) -> None:
    (owner,) = await stage.listeners(0, ["watched"], 1)
    watchers: list[Listener] = []
    for port in stage.ports:
        watchers += await opened(port, [Listener("watcher", processes.token()) for _ in range(WATCHERS_EACH)])
    start = time.perf_counter()
    for watcher in watchers:
        watcher.watch(owner.jobs[0])
    await until(lambda: all(watcher.admitted for watcher in watchers))
    print(f"  {len(watchers)} watchers on two nodes, let in within {time.perf_counter() - start:.1f} s")
    cpu = sum(map(processes.cpu_s, stage.pids))
    await order(stage.sender, "pace", jobs=owner.jobs, loud=[], ticks=FRAMES_TO_ALL, tick_s=FRAME_TO_ALL_S)
    await asyncio.sleep(SETTLE_S)
    used = sum(map(processes.cpu_s, stage.pids)) - cpu
    received = received_by(watchers)
    print(f"    {100 * received / (FRAMES_TO_ALL * len(watchers)):.0f} % of {FRAMES_TO_ALL} frames each")
    by_frame = defaultdict(list)
    for sent, late_s in itertools.chain.from_iterable(watcher.frames for watcher in watchers):
        by_frame[sent].append(late_s)
    first, last = (statistics.median(map(which, by_frame.values())) * 1e3 for which in (min, max))
    print(f"    from send to the first {first:.1f} ms, to the last {last:.1f} ms (p50 of the frames)")
    print(f"    CPU of the nodes per frame and watcher {used / received * 1e6:.1f} µs")
    close([owner, *watchers])


async def a_stopped_reader(stage: Stage) -> None:
    others = await stage.listeners(0, (f"other{number}" for number in range(SOCKETS)), 1)
    (slow,) = await stage.listeners(0, ["slow"], LOUD)
    jobs = [listener.jobs[0] for listener in others]
    for case in ("reads", "has stopped reading"):
        if case != "reads":
            slow.transport.pause_reading()
        for listener in others:
            listener.frames.clear()
        before = processes.memory_mb(stage.pids[0])
        await order(stage.sender, "pace", jobs=jobs, loud=slow.jobs, ticks=TICKS, tick_s=TICK_S)
        await asyncio.sleep(SETTLE_S)
        grown = processes.memory_mb(stage.pids[0]) - before
        print(f"  one of {SOCKETS + 1} {case}: the others {percentiles(others)} · node {before:.0f} MB {grown:+.1f} MB")
    close([slow, *others])


def received_by(listeners: Iterable[Listener]) -> int:
    return sum(len(listener.frames) for listener in listeners)


def percentiles(listeners: Iterable[Listener]) -> str:
    cuts = statistics.quantiles((late_s for listener in listeners for _, late_s in listener.frames), n=100)
    return f"p50 {cuts[49] * 1e3:.2f} ms, p99 {cuts[98] * 1e3:.2f} ms"


def close(listeners: Iterable[Listener]) -> None:
    for listener in listeners:
        listener.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  # of counters, which signal nothing
            await asyncio.sleep(0.01)


async def measure(stage: Stage) -> None:
    await until(Path(stage.sender).exists)
    parts: Sequence[Callable[[Stage], Awaitable[None]]]
    parts = (worker_to_socket, one_at_a_time, many_watchers, a_stopped_reader)
    for part in parts:
        await part(stage)


@contextlib.contextmanager
def staged(folder: Path) -> Iterator[Stage]:
    environment = {**processes.environment(folder), "STREAMER_MAX_IN_FLIGHT": "1000"}
    path = str(folder / "sender")
    with (
        processes.node(environment) as first,
        processes.node(environment) as second,
        processes.running("-m", "benchmarks.sender", path, environment=environment),
    ):
        pids, ports = zip(first, second, strict=True)
        yield Stage(pids, ports, path)


def main() -> None:
    print("Frames of jobs, from workers to clients, on SQLite")
    with tempfile.TemporaryDirectory() as name, staged(Path(name)) as stage:
        asyncio.run(measure(stage))


if __name__ == "__main__":
    main()
