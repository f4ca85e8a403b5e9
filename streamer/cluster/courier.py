"""Frames of jobs to the connections that wait for them, wherever these are."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, get_args

import orjson
import structlog

from streamer.cluster.audience import Whereabouts
from streamer.cluster.lanes import Kind, Lanes, Parcel, report_death
from streamer.cluster.registry import Peers
from streamer.errors import StoreUnavailable
from streamer.jobs.model import Job
from streamer.store.base import ConnectionStore
from streamer.telemetry.metrics import Metrics

log = structlog.get_logger()

MAX_WAITING: Final = 1_000
_ALWAYS_SOUGHT: Final[tuple[Kind, ...]] = ("retrying", "outcome")
"""Whoever was nowhere a moment ago is not looked for because of the others: they come often."""


class Courier:
    """Sends frames to the connections that wait for them. A connection's node is the one whose boot id its own id
    begins with, or that it was learnt to be at; only where that node is unknown, or says that it does not have it,
    its row is read, once.

    A frame that finds nobody is dropped and counted: the store has what it said.
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
        self._sent = {kind: metrics.frames.labels(kind) for kind in get_args(Kind)}
        self._dropped = metrics.frames_dropped
        self._clock = clock
        self._where = Whereabouts()
        self._waiting: list[tuple[Parcel, Sequence[str]]] = []  # to be looked up: these connections of the parcel
        self._search: asyncio.Task[None] | None = None  # reads rows while something waits
        lanes.undelivered = self._undelivered

    def send(
        self,
        job: Job,
        kind: Kind,
        seq: int,
        frame: bytes,
        *,
        to: Collection[str],
        chunks: int = 0,
        percentage: float | None = None,
        attempt: int | None = None,
    ) -> None:
        """Sends one frame of the job to these connections; never blocks, never raises.

        `chunks`: how many of the job come before this frame. `to` costs least where it is the same frozenset again.
        """
        audience = frozenset(to)
        if not audience:
            return
        self._sent[kind].inc()
        about: dict[str, Any] = {
            "j": job.job_id,
            "t": job.tenant,
            "u": job.user,
            "a": job.attempt if attempt is None else attempt,
            "s": seq,
            "k": kind,
            "at": self._clock(),
        }
        if chunks:
            about["h"] = chunks
        if percentage is not None:
            about["p"] = percentage
        meta = orjson.dumps(about)
        for group in self._where.groups(audience):
            parcel = Parcel(
                connections=group.connections,
                addresses=group.encoded,
                job_id=job.job_id,
                kind=kind,
                meta=meta,
                frame=frame,
            )
            self._hand_over(group.node, parcel)

    def learn(self, nodes: Mapping[str, str]) -> None:
        """These connections (id -> node id) are there now, wherever they were before."""
        for connection, node in nodes.items():
            self._where.found(connection, node)

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

    def _hand_over(self, node: str, parcel: Parcel) -> None:
        endpoint = self._peers.endpoint(node)
        if endpoint is not None:
            self._lanes.send(endpoint, parcel)
        else:
            parcel.tried = ""
            self._look_up(parcel, parcel.connections)

    def _undelivered(self, parcel: Parcel, missing: Sequence[str], endpoint: str) -> None:
        """The node of these connections does not have them, or does not answer."""
        if parcel.tried is not None:
            self._drop(1)
            return
        parcel.tried = endpoint
        self._look_up(parcel, missing)

    def _look_up(self, parcel: Parcel, connections: Sequence[str]) -> None:
        now = asyncio.get_running_loop().time()
        if parcel.kind not in _ALWAYS_SOUGHT and not any(self._where.is_hopeful(name, now) for name in connections):
            self._drop(1)
            return
        if len(self._waiting) >= MAX_WAITING:
            self._dropped.labels("full").inc()
            return
        self._waiting.append((parcel, connections))
        if self._search is None or self._search.done():
            self._search = asyncio.create_task(self._look_all_up(), name="courier search")
            self._search.add_done_callback(report_death)

    async def _look_all_up(self) -> None:
        while self._waiting:
            waiting, self._waiting = self._waiting, []
            try:
                nodes = await self._find({name for _, connections in waiting for name in connections})
            except StoreUnavailable as error:
                log.info("connections_not_found", reason=str(error), frames=len(waiting))
                self._drop(len(waiting))
                continue
            for parcel, connections in waiting:
                self._send_where_found(parcel, connections, nodes)

    async def _find(self, connections: Collection[str]) -> dict[str, str]:
        """The node of each connection that has a row."""
        rows = await self._connections.get_many(connections)
        nodes = {name: row.node_id for name, row in rows.items()}
        if any(self._peers.get(node) is None for node in nodes.values()):
            await self._peers.refresh()
        return nodes

    def _send_where_found(self, parcel: Parcel, connections: Sequence[str], nodes: Mapping[str, str]) -> None:
        now = asyncio.get_running_loop().time()
        places: dict[str, list[str]] = defaultdict(list)
        for connection in connections:
            endpoint = self._peers.endpoint(nodes.get(connection, ""))
            if endpoint in (None, parcel.tried):
                self._where.lost(connection, now)
            else:
                self._where.found(connection, nodes[connection])
                places[endpoint].append(connection)
        if not places:
            self._drop(1)
        for endpoint, found in places.items():
            self._lanes.send(endpoint, _addressed(parcel, found))

    def _drop(self, count: int) -> None:
        self._dropped.labels("gone").inc(count)


def _addressed(parcel: Parcel, connections: Sequence[str]) -> Parcel:
    return replace(parcel, connections=tuple(connections), addresses=orjson.dumps(connections))
