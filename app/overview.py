"""The whole installation at a glance: its queues, nodes and workers."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.shared import Shared
from streamer.cluster.registry import Peers
from streamer.store.admin import Admin, Standing, Survey
from streamer.store.base import NodeRow, now_ms
from streamer.store.fan_out import each

DEFAULT: Final = "default"
"""The queue that is always shown."""


@dataclass(frozen=True, slots=True)
class Process:
    """A node or a worker, and for how long its beat has stood still, as this node sees it."""

    row: NodeRow
    beat_age_s: float


@dataclass(frozen=True, slots=True)
class Overview:
    """As of one moment. `at_ms`: Unix milliseconds. `dead_after_s`: a beat that stands still for so long is a death."""

    at_ms: int
    dead_after_s: float
    queues: Mapping[str, Survey]
    nodes: Sequence[Process]
    workers: Sequence[Process]

    @property
    def running(self) -> int:
        """Jobs, of all queues."""
        return sum(survey.counts[Standing.RUNNING] for survey in self.queues.values())

    @property
    def connections(self) -> int:
        """As the nodes said with their newest beat."""
        return sum(node.row.info.get("connections", 0) for node in self.nodes)


class Overviews:
    """Looks at everything, at most once a second. `queues`: those that actions of this node name.

    On DynamoDB a look is 32 queries of an index for each queue, and two of the nodes; see docs/admin.md.
    """

    def __init__(
        self,
        admin: Admin,
        nodes: Peers,
        workers: Peers,
        queues: Collection[str],
        *,
        dead_after_s: float,
        clock: Callable[[], int] = now_ms,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._admin = admin
        self._nodes = nodes
        self._workers = workers
        self._queues = queues
        self._dead_after_s = dead_after_s
        self._clock = clock
        self._shared = Shared(self._looked, "overview", clock=monotonic)

    async def now(self) -> Overview:
        """Raises StoreUnavailable."""
        return await self._shared.of(None)

    async def _looked(self, _: None) -> Overview:
        for peers in (self._nodes, self._workers):
            await peers.refresh()
        names = self._named()
        surveys = await each(self._admin.survey, names, width=1)  # each has many queries at once of its own
        return Overview(
            self._clock(),
            self._dead_after_s,
            dict(zip(names, surveys, strict=True)),
            _processes(self._nodes),
            _processes(self._workers),
        )

    def _named(self) -> Sequence[str]:
        """The default queue first."""
        of_workers = {queue for row in self._workers.rows() for queue in row.info.get("queues", ())}
        return [DEFAULT, *sorted({*self._queues, *of_workers} - {DEFAULT})]


def _processes(peers: Peers) -> Sequence[Process]:
    rows = sorted(peers.rows(), key=lambda row: row.node_id)
    return [Process(row, peers.beat_age_s(row.node_id)) for row in rows]


def shown(overview: Overview) -> dict[str, Any]:
    """As operators see it."""
    return {
        "at": overview.at_ms / 1000,
        "dead_after_s": overview.dead_after_s,
        "queues": [_queue(name, survey, overview.at_ms) for name, survey in overview.queues.items()],
        "nodes": [_node(process) for process in overview.nodes],
        "workers": [_worker(process) for process in overview.workers],
    }


def age_s(created_ms: int | None, at_ms: int) -> float | None:
    """Seconds, never negative: clocks differ."""
    return None if created_ms is None else max(0, at_ms - created_ms) / 1000


def _queue(name: str, survey: Survey, at_ms: int) -> dict[str, Any]:
    tenants = [
        {"tenant": tenant, "waiting": waiting.count, "oldest_age_s": age_s(waiting.oldest_created_ms, at_ms)}
        for tenant, waiting in sorted(survey.tenants.items())
    ]
    return {
        "queue": name,
        **{standing.value: survey.counts[standing] for standing in Standing},
        "is_exact": survey.is_exact,
        "oldest_age_s": age_s(survey.oldest_created_ms, at_ms),
        "tenants": tenants,
    }


def _node(process: Process) -> dict[str, Any]:
    return {"node_id": process.row.node_id, **_told(process), "connections": process.row.info.get("connections", 0)}


def _worker(process: Process) -> dict[str, Any]:
    info = process.row.info
    slots = info.get("slots", 0)
    return {
        "worker_id": process.row.node_id,
        **_told(process),
        "process": info.get("worker", ""),
        "queues": list(info.get("queues", ())),
        "slots": slots,
        "running": max(0, slots - info.get("free", slots)),
    }


def _told(process: Process) -> dict[str, Any]:
    info = process.row.info
    return {
        "endpoint": info.get("endpoint", ""),
        "version": info.get("version", ""),
        "draining": bool(info.get("draining")),
        "beat_age_s": round(process.beat_age_s, 3),
    }
