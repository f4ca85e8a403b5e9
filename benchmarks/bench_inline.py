"""CPU per inline request: a whole node (tokens, checks, limits, metrics) beside a bare Starlette echo.

Both on the same server settings, in interleaved rounds; CPU time is the server's own, so a busy machine hardly shows.
"""

import asyncio
import contextlib
import statistics
import tempfile
from pathlib import Path
from typing import Final

from benchmarks import processes
from benchmarks.load import connected

SOCKETS: Final = 50
DEPTHS: Final = (1, 16)
ROUNDS: Final = 9
WARM_UP_S: Final = 0.5
ROUND_S: Final = 1.5


async def cpu_per_message_us(pid: int, port: int, depth: int) -> float:
    sockets = await connected(port, SOCKETS, depth, processes.token())
    for socket in sockets:
        socket.start()
    await asyncio.sleep(WARM_UP_S)
    cpu, answered = processes.cpu_s(pid), sum(socket.answered for socket in sockets)
    await asyncio.sleep(ROUND_S)
    cpu, answered = processes.cpu_s(pid) - cpu, sum(socket.answered for socket in sockets) - answered
    others = sum(socket.others for socket in sockets)
    for socket in sockets:
        socket.close()
    if others or not answered:
        raise RuntimeError(f"{others} frames that were no responses, {answered} responses")
    return cpu / answered * 1e6


async def compare(servers: dict[str, tuple[int, int]]) -> None:
    for depth in DEPTHS:
        rounds = [[await cpu_per_message_us(pid, port, depth) for pid, port in servers.values()] for _ in range(ROUNDS)]
        bare, node = (statistics.median(figures) for figures in zip(*rounds, strict=True))
        ratio = statistics.median(node / bare for bare, node in rounds)  # of neighbours in time: noise meets both
        print(f"  {depth:2} in flight: bare {bare:5.1f} µs · node {node:5.1f} µs · ratio {ratio:.2f}")


def main() -> None:
    print(f"Inline request, server CPU per message, {SOCKETS} sockets, median of {ROUNDS} rounds")
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = processes.free_port()
        bare = stack.enter_context(processes.running("benchmarks/baseline.py", str(port)))
        node = stack.enter_context(processes.node(processes.environment(folder)))
        asyncio.run(compare({"bare": (bare, port), "node": node}))


if __name__ == "__main__":
    main()
