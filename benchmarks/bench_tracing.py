"""CPU per inline request by what is done about traces, in interleaved rounds of one run.

* off: a node as it is by default.
* none built in: the same, in which the module with the classes that make spans cannot be imported at all. With tracing
  off a node is made of the very same classes, so what this pair shows is the noise of the measurement.
* API only: the classes that make spans, over OpenTelemetry's own provider that makes none (OTEL_SDK_DISABLED).
* sampled at 1 %, and all of them: the SDK, exporting to a port where nobody takes the spans.
"""

import asyncio
import contextlib
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from benchmarks import processes
from benchmarks.bench_inline import SOCKETS, cpu_per_message_us

DEPTH: Final = 16
ROUNDS: Final = 9
TRACED: Final = {"STREAMER_TRACING": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
RATIO: Final = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.01"}
KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    "none built in": {"STREAMER_ACTIONS": "benchmarks.untraceable,benchmarks.actions"},
    "off": {},
    "API only": {**TRACED, "OTEL_SDK_DISABLED": "true"},
    "sampled at 1 %": {**TRACED, **RATIO},
    "all sampled": TRACED,
}


async def compare(nodes: Mapping[str, tuple[int, int]]) -> None:
    rounds = [[await cpu_per_message_us(pid, port, DEPTH) for pid, port in nodes.values()] for _ in range(ROUNDS)]
    for name, figures, column in zip(nodes, zip(*rounds, strict=True), range(len(nodes)), strict=True):
        ratio = statistics.median(figures[column] / figures[0] for figures in rounds)
        print(f"  {name:14} {statistics.median(figures):6.1f} µs · ratio {ratio:.2f}")


def main() -> None:
    print(f"Inline request by tracing, node's CPU per message, {SOCKETS} sockets, {DEPTH} in flight, {ROUNDS} rounds")
    with contextlib.ExitStack() as stack:
        nodes = {}
        for name, environment in KINDS.items():
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            nodes[name] = stack.enter_context(processes.node({**processes.environment(folder), **environment}))
        asyncio.run(compare(nodes))


if __name__ == "__main__":
    main()
