"""Everything that is counted, in one table; a `Metrics` is that table over a registry of its own.

A label value comes from a closed set, or is the name of a registered action: what a client makes up is never one.
"""

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

Buckets = tuple[float, ...]

QUICK: Final[Buckets] = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""For what a client or another process waits for."""
LONG: Final[Buckets] = (0.01, 0.05, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0)
"""For what runs in the background."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table. `name` is the attribute of `Metrics`, and in Prometheus `streamer_<name>` with the
    suffix of its kind."""

    kind: type[Counter] | type[Gauge] | type[Histogram]
    name: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: Buckets | None = None  # of a histogram
    dimensions: tuple[str, ...] = ()  # labels that CloudWatch is told, too: each value is a metric that costs

    @property
    def unit(self) -> Literal["Seconds", "Count"]:
        """In CloudWatch's words."""
        return "Seconds" if self.name.endswith("_seconds") else "Count"

    def build(self, registry: CollectorRegistry) -> Counter | Gauge | Histogram:
        options: Mapping[str, Any] = {} if self.buckets is None else {"buckets": self.buckets}
        return self.kind(f"streamer_{self.name}", self.help, self.labels, registry=registry, **options)


METRICS: Final = (
    # sockets and messages
    Metric(Gauge, "connections", "Open connections on this node."),
    Metric(
        Counter,
        "handshakes",
        "Handshakes: accepted, unauthorized, forbidden, full, draining, limited or unavailable.",
        ("result",),
        dimensions=("result",),
    ),
    Metric(
        Counter,
        "messages",
        "Requests of clients by answer: response, error, acknowledgment or refused.",
        ("action", "outcome"),
        dimensions=("outcome",),
    ),
    Metric(Counter, "control_frames", "Frames of clients that are no requests.", ("type",)),
    Metric(Histogram, "inline_seconds", "From a request to its inline answer.", ("action",), QUICK),
    Metric(Counter, "slow_readers", "Connections closed because their client read too slowly."),
    # calls over HTTP
    Metric(Counter, "http_requests", "Calls under /v1 by route and class of status.", ("route", "status")),
    Metric(Gauge, "http_streams", "Open streams of Server-Sent Events on this node."),
    # submitting
    Metric(
        Counter,
        "submits",
        "Requests to be queued: created, joined, refused or failed.",
        ("action", "result"),
        dimensions=("result",),
    ),
    Metric(Histogram, "submit_seconds", "From a request to its stored acknowledgment.", (), QUICK),
    # the queue
    Metric(
        Gauge,
        "queue_depth",
        "Jobs that could start now, exact up to 1,000 per shard.",
        ("queue",),
        dimensions=("queue",),
    ),
    Metric(
        Gauge,
        "oldest_ready_age_seconds",
        "Age of the oldest job that could start now.",
        ("queue",),
        dimensions=("queue",),
    ),
    # attempts
    Metric(Gauge, "running", "Attempts running in this worker."),
    Metric(
        Counter,
        "attempts",
        "Ended attempts: complete, retry, fail, cancelled, released, lost or fenced.",
        ("action", "outcome"),
        dimensions=("action", "outcome"),
    ),
    Metric(Histogram, "attempt_seconds", "Run time of attempts.", ("action",), LONG, dimensions=("action",)),
    Metric(
        Histogram,
        "start_delay_seconds",
        "From when a job could start to its start, by what woke the worker: direct, sweep or slot.",
        ("wakeup",),
        LONG,
    ),
    Metric(Counter, "sessions_dead", "Worker sessions found dead."),
    Metric(
        Counter,
        "jobs_given_back",
        "Jobs given back to the queue: lost or released.",
        ("reason",),
        dimensions=("reason",),
    ),
    Metric(Counter, "hints", "Hints to workers: taken, refused or failed.", ("result",), dimensions=("result",)),
    # the stream of changes
    Metric(Gauge, "stream_shards", "Shards that this worker reads."),
    Metric(Counter, "stream_changes", "Changes that the stream showed: dispatch, outbox or none, by use.", ("kind",)),
    Metric(Histogram, "stream_lag_seconds", "From a submit or an outcome to when the stream showed it.", (), LONG),
    Metric(Counter, "outcomes_resent", "Outcomes sent in the place of a worker that may not have sent them."),
    # frames from workers to clients
    Metric(Histogram, "delivery_lag_seconds", "From encoding a frame in a worker to the socket's outbox.", (), QUICK),
    Metric(
        Counter,
        "frames",
        "Frames about jobs that were sent on: progress, chunk, retrying or outcome.",
        ("kind",),
        dimensions=("kind",),
    ),
    Metric(
        Counter,
        "frames_dropped",
        "Frames about jobs dropped: stale, gone, full or foreign.",
        ("reason",),
        dimensions=("reason",),
    ),
    Metric(Gauge, "lane_backlog", "Frames waiting in lanes to nodes."),
    Metric(Counter, "lane_posts", "Posts of lanes to nodes: ok, gone or failed.", ("result",), dimensions=("result",)),
    # store and process
    Metric(Histogram, "store_seconds", "Calls to the store.", ("verb",), QUICK),
    Metric(Counter, "store_errors", "Calls to the store that failed.", ("verb",)),
    Metric(Gauge, "clock_offset_seconds", "Wall clock certainly ahead of the store's by; below 0: behind."),
    Metric(Histogram, "loop_lag_seconds", "How late the event loop woke a timer.", (), QUICK),
)


class Metrics:
    """One attribute per row of `METRICS`. Callers keep label children: looking one up costs more than counting."""

    connections: Gauge
    handshakes: Counter
    messages: Counter
    control_frames: Counter
    inline_seconds: Histogram
    slow_readers: Counter
    http_requests: Counter
    http_streams: Gauge
    submits: Counter
    submit_seconds: Histogram
    queue_depth: Gauge
    oldest_ready_age_seconds: Gauge
    running: Gauge
    attempts: Counter
    attempt_seconds: Histogram
    start_delay_seconds: Histogram
    sessions_dead: Counter
    jobs_given_back: Counter
    hints: Counter
    stream_shards: Gauge
    stream_changes: Counter
    stream_lag_seconds: Histogram
    outcomes_resent: Counter
    delivery_lag_seconds: Histogram
    frames: Counter
    frames_dropped: Counter
    lane_backlog: Gauge
    lane_posts: Counter
    store_seconds: Histogram
    store_errors: Counter
    clock_offset_seconds: Gauge
    loop_lag_seconds: Histogram

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations; drops a series per counter
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # memory, CPU, file descriptors
        for metric in METRICS:
            setattr(self, metric.name, metric.build(self.registry))

    def exposition(self) -> bytes:
        """All of it as Prometheus text, version 0.0.4."""
        return generate_latest(self.registry)


def observe_all(histogram: Histogram, values: Sequence[float]) -> None:
    """`histogram.observe` for each value, at a tenth of the cost: every bucket is touched once.

    prometheus-client offers no such call, so this knows its insides; a test compares the two.
    """
    ordered = sorted(values)
    histogram._sum.inc(sum(ordered))
    below = 0
    for bound, bucket in zip(histogram._upper_bounds, histogram._buckets, strict=True):
        up_to = bisect_right(ordered, bound, below)
        if up_to > below:
            bucket.inc(up_to - below)
        below = up_to
