"""Frames of jobs to the connections that wait for them, wherever these are."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Final

import orjson
import structlog

from streamer.cluster.lanes import Kind, Lanes, Parcel, report_death
from streamer.cluster.registry import Peers
from streamer.errors import StoreUnavailable
from streamer.jobs.model import Job
from streamer.store.base import ConnectionStore
from streamer.telemetry.metrics import Metrics

log = structlog.get_logger()

MAX_WAITING: Final = 1_000
MAX_MOVED: Final = 10_000
LOST_FOR_S: Final = 2.0


class Courier:
    """Sends frames along the routes of their job. A connection's node is the one whose boot id its own id begins
    with; only where that node is unknown, or says that it does not have it, its row is read, once.

    A frame that finds nobody is dropped and counted: the row of its job has what it said.
    """

    def __init__(
        self,
        *,
        lanes: Lanes,
        peers: Peers,
        connections: ConnectionStore,
        metrics: Metrics,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lanes = lanes
        self._peers = peers
        self._connections = connections
        self._metrics = metrics
        self._clock = clock
        self._moved: dict[str, str] = {}  # connection -> the node that it went to, as last read
        self._lost: dict[str, float] = {}  # connection that was nowhere -> loop time until which that holds
        self._waiting: list[Parcel] = []  # to be looked up
        self._search: asyncio.Task[None] | None = None  # reads rows while something waits
        lanes.undelivered = self._undelivered

    def send(
        self,
        job: Job,
        kind: Kind,
        seq: int,
        frame: bytes,
        *,
        percentage: float | None = None,
        attempt: int | None = None,
    ) -> None:
        """Sends one frame to all routes of the job; never blocks, never raises."""
        if not job.routes:
            return
        self._metrics.frames.labels(kind).inc()
        about: dict[str, Any] = {
            "j": job.job_id,
            "t": job.tenant,
            "u": job.user,
            "a": job.attempt if attempt is None else attempt,
            "s": seq,
            "k": kind,
            "at": self._clock(),
        }
        if percentage is not None:
            about["p"] = percentage
        for node, connections in self._by_node(job.routes).items():
            meta = orjson.dumps({"c": connections, **about})
            parcel = Parcel(connections=tuple(connections), job_id=job.job_id, kind=kind, meta=meta, frame=frame)
            self._hand_over(node, parcel)

    async def flush(self, timeout_s: float) -> None:
        """Waits until everything is sent, or the time is over."""
        if self._search is not None:
            await asyncio.wait([self._search], timeout=timeout_s)
        await self._lanes.flush(timeout_s)

    async def close(self) -> None:
        """Ends at once; what was not sent is dropped."""
        search, self._search = self._search, None
        if search is not None:
            search.cancel()
            await asyncio.gather(search, return_exceptions=True)
        await self._lanes.close()

    def _by_node(self, connections: Collection[str]) -> dict[str, list[str]]:
        nodes: dict[str, list[str]] = defaultdict(list)
        for connection in sorted(connections):
            nodes[self._moved.get(connection) or born_on(connection)].append(connection)
        return nodes

    def _hand_over(self, node: str, parcel: Parcel) -> None:
        endpoint = self._peers.endpoint(node)
        if endpoint is not None:
            self._lanes.send(endpoint, parcel)
        else:
            parcel.tried = ""
            self._look_up(parcel)

    def _undelivered(self, parcel: Parcel, missing: Sequence[str], endpoint: str) -> None:
        """The node of these connections does not have them, or does not answer."""
        if parcel.tried is not None:
            self._drop(1)
            return
        parcel.tried = endpoint
        self._look_up(_addressed(parcel, missing))

    def _look_up(self, parcel: Parcel) -> None:
        now = asyncio.get_running_loop().time()
        hopeful = [name for name in parcel.connections if self._lost.get(name, 0.0) <= now]
        if parcel.kind == "progress" and not hopeful:
            self._drop(1)
            return
        if len(self._waiting) >= MAX_WAITING:
            self._metrics.frames_dropped.labels("full").inc()
            return
        self._waiting.append(parcel)
        if self._search is None or self._search.done():
            self._search = asyncio.create_task(self._look_all_up(), name="courier search")
            self._search.add_done_callback(report_death)

    async def _look_all_up(self) -> None:
        while self._waiting:
            parcels, self._waiting = self._waiting, []
            try:
                nodes = await self._find({name for parcel in parcels for name in parcel.connections})
            except StoreUnavailable as error:
                log.info("connections_not_found", reason=str(error), frames=len(parcels))
                self._drop(len(parcels))
                continue
            for parcel in parcels:
                self._send_where_found(parcel, nodes)

    async def _find(self, connections: Collection[str]) -> dict[str, str]:
        """The node of each connection that has a row."""
        rows = await self._connections.get_many(connections)
        nodes = {name: row.node_id for name, row in rows.items()}
        if any(self._peers.get(node) is None for node in nodes.values()):
            await self._peers.refresh()
        return nodes

    def _send_where_found(self, parcel: Parcel, nodes: dict[str, str]) -> None:
        places: dict[str, list[str]] = defaultdict(list)
        for connection in parcel.connections:
            endpoint = self._peers.endpoint(nodes.get(connection, ""))
            if endpoint in (None, parcel.tried):
                self._forget(connection)
            else:
                self._remember(connection, nodes[connection])
                places[endpoint].append(connection)
        if not places:
            self._drop(1)
        for endpoint, connections in places.items():
            self._lanes.send(endpoint, _addressed(parcel, connections))

    def _remember(self, connection: str, node: str) -> None:
        self._lost.pop(connection, None)
        if node != born_on(connection):
            _make_room(self._moved)
            self._moved[connection] = node

    def _forget(self, connection: str) -> None:
        self._moved.pop(connection, None)
        _make_room(self._lost)
        self._lost[connection] = asyncio.get_running_loop().time() + LOST_FOR_S

    def _drop(self, count: int) -> None:
        self._metrics.frames_dropped.labels("gone").inc(count)


def born_on(connection: str) -> str:
    """The boot id of the node on which a connection came to be."""
    return connection.partition(".")[0]


def _addressed(parcel: Parcel, connections: Sequence[str]) -> Parcel:
    meta = orjson.loads(parcel.meta) | {"c": list(connections)}
    return replace(parcel, connections=tuple(connections), meta=orjson.dumps(meta))


def _make_room(memory: dict[str, Any]) -> None:
    if len(memory) >= MAX_MOVED:
        memory.pop(next(iter(memory)))
