"""The action that `bench_queue` runs: it answers with the moment of its first line."""

import time
from typing import Any

import streamer


@streamer.action("benchmark_clock", mode="queued")
async def benchmark_clock(ctx: streamer.Context, request: dict[str, Any]) -> float:  # noqa: ARG001  # the shape of a handler
    return time.time()
