"""The metrics as lines of CloudWatch's Embedded Metric Format on standard output, from the one table of metrics.

Counters are told by how much they grew since the last time, gauges as they are, and of a histogram how many values
fell into each bucket since then, each taken for the bound below which it lies (beyond the last one: for that one), with
their exact sum. Labels that are no dimensions are summed up.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson
from prometheus_client import Gauge, Histogram
from prometheus_client.metrics_core import Metric as Family

from streamer.telemetry.metrics import METRICS, Metric, Metrics

NAMESPACE: Final = "Streamer"
SERVICE: Final = "Service"
"""The dimension that all metrics have."""
MAX_METRICS: Final = 100
"""In one line, and in one metric as many different values: limits of the format. A line of ours that keeps to them is
some 20 KB, far from the limit of 1 MB."""

Labels = tuple[tuple[str, str], ...]
"""Those that are dimensions, with their values."""
Write = Callable[[str], object]


@dataclass(slots=True)
class Total:
    """What was counted since the start under the same dimensions."""

    amount: float = 0.0  # of a histogram: the sum of its values
    up_to: dict[float, float] = field(default_factory=dict)  # of a histogram: bound -> how many values lie below it


class Emf:
    """Writes the metrics of one process. `service` names its role; `instance`, this process, is a property to search
    by and no dimension, as each value of a dimension is a metric that costs."""

    def __init__(
        self,
        metrics: Metrics,
        service: str,
        instance: str,
        *,
        write: Write | None = None,
        table: Sequence[Metric] = METRICS,
    ) -> None:
        self._metrics = metrics
        self._service = service
        self._instance = instance
        self._write = _print if write is None else write
        self._table = table
        self._told: dict[tuple[str, Labels], Total] = {}  # of counters and histograms

    async def run(self, every_s: float) -> None:
        """Writes again and again, and once more when it is cancelled."""
        try:
            while True:
                await asyncio.sleep(every_s)
                self.tell()
        finally:
            self.tell()

    def tell(self) -> None:
        """Writes what there is to tell, in as few lines as the format allows."""
        groups: defaultdict[Labels, list[tuple[Metric, Any]]] = defaultdict(list)
        for metric in self._table:
            for labels, value in self._values(metric):
                groups[labels].append((metric, value))
        now_ms = time.time_ns() // 1_000_000
        for labels, values in groups.items():
            for start in range(0, len(values), MAX_METRICS):
                self._write(self._line(labels, values[start : start + MAX_METRICS], now_ms) + "\n")

    def _line(self, labels: Labels, values: Sequence[tuple[Metric, Any]], now_ms: int) -> str:
        dimensions = {SERVICE: self._service, **dict(labels)}
        directive = {
            "Namespace": NAMESPACE,
            "Dimensions": [list(dimensions)],
            "Metrics": [{"Name": metric.name, "Unit": metric.unit} for metric, _ in values],
        }
        line = {
            "_aws": {"Timestamp": now_ms, "CloudWatchMetrics": [directive]},
            **dimensions,
            "Instance": self._instance,
            **{metric.name: value for metric, value in values},
        }
        return orjson.dumps(line).decode()

    def _values(self, metric: Metric) -> Iterator[tuple[Labels, Any]]:
        """What is to be told of a metric, by its dimensions."""
        for labels, total in _totals(metric, getattr(self._metrics, metric.name).collect()).items():
            if metric.kind is Gauge:
                yield labels, total.amount
                continue
            before = self._told.get((metric.name, labels), Total())
            self._told[metric.name, labels] = total
            if metric.kind is not Histogram:
                yield labels, total.amount - before.amount
            elif counts := _counts(total, before):
                yield labels, _distribution(counts, total.amount - before.amount)


def _totals(metric: Metric, families: Iterable[Family]) -> Mapping[Labels, Total]:
    """By the labels that are dimensions; those of the others are added up."""
    totals: defaultdict[Labels, Total] = defaultdict(Total)
    for sample in (sample for family in families for sample in family.samples):
        total = totals[tuple((name, sample.labels[name]) for name in metric.dimensions)]
        if sample.name.endswith("_bucket"):
            bound = float(sample.labels["le"])
            total.up_to[bound] = total.up_to.get(bound, 0.0) + sample.value
        elif not (metric.kind is Histogram and sample.name.endswith("_count")):
            total.amount += sample.value
    return totals


def _counts(now: Total, before: Total) -> Mapping[float, float]:
    """How many values came into each bucket, by the bound under which they are told."""
    *bounds, _ = sorted(now.up_to)
    counts: defaultdict[float, float] = defaultdict(float)
    below = 0.0
    for bound in sorted(now.up_to):
        up_to = now.up_to[bound] - before.up_to.get(bound, 0.0)
        if up_to > below:
            counts[min(bound, bounds[-1])] += up_to - below
        below = up_to
    return counts


def _distribution(counts: Mapping[float, float], total: float) -> Mapping[str, Any]:
    """Values with how often each came: as the CloudWatch agent writes histograms, too."""
    return {
        "Values": list(counts),
        "Counts": list(counts.values()),
        "Min": min(counts),
        "Max": max(counts),
        "Sum": total,
        "Count": sum(counts.values()),
    }


def _print(line: str) -> None:
    """A line of its own: CloudWatch looks for `_aws` at the top, so the log's format must not wrap it."""
    sys.stdout.write(line)
    sys.stdout.flush()
