"""Who hears of a job, and which node holds each of them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson
import structlog

from streamer.errors import StoreUnavailable
from streamer.jobs.model import Job
from streamer.store.base import SubscriptionStore

log = structlog.get_logger()

MAX_MOVED: Final = 10_000
MAX_GROUPED: Final = 100_000
LOST_FOR_S: Final = 2.0


async def audience(job: Job, subscriptions: SubscriptionStore) -> frozenset[str]:
    """The connections that listen to a job: those on its row, and its watchers where it has had any.

    Never raises: without the store it is those on the row. A watcher that is left out reads the job again by itself.
    """
    if job.watch_version == 0:
        return job.routes
    try:
        watchers = await subscriptions.list_by_request(job.job_id)
    except StoreUnavailable as error:
        log.warning("watchers_not_read", job_id=job.job_id, reason=str(error))
        return job.routes
    return job.routes.union(watcher.connection_id for watcher in watchers)


@dataclass(frozen=True, slots=True)
class Group:
    """Those of an audience that one node holds; `encoded` is what the meta data of a frame says of them."""

    node: str
    connections: tuple[str, ...]
    encoded: bytes


class Whereabouts:
    """Which node holds a connection: the one on which it was born, until it is found elsewhere.

    Remembers at most 10,000 that are elsewhere, as many that are nowhere, and how the latest audiences are spread, of
    100,000 connections in all.
    """

    def __init__(self) -> None:
        self._moved: dict[str, str] = {}  # connection -> the node that it went to
        self._lost: dict[str, float] = {}  # connection that was nowhere -> loop time until which that holds
        self._groups: dict[frozenset[str], Sequence[Group]] = {}  # emptied when somebody moves
        self._grouped = 0  # connections in `_groups`

    def groups(self, audience: frozenset[str]) -> Sequence[Group]:
        """The audience by node, each group in the order of its names."""
        known = self._groups.get(audience)
        return self._group(audience) if known is None else known

    def found(self, connection: str, node: str) -> None:
        """It is there now, wherever it was before."""
        self._lost.pop(connection, None)
        if node != self._node_of(connection):
            self._forget_groups()
            self._moved.pop(connection, None)
            if node != born_on(connection):
                _make_room(self._moved)
                self._moved[connection] = node

    def lost(self, connection: str, now: float) -> None:
        """It is nowhere. `now`, here and below: loop time."""
        if self._moved.pop(connection, None) is not None:
            self._forget_groups()
        _make_room(self._lost)
        self._lost[connection] = now + LOST_FOR_S

    def is_hopeful(self, connection: str, now: float) -> bool:
        """Whether it makes sense to look for it."""
        return self._lost.get(connection, 0.0) <= now

    def _group(self, audience: frozenset[str]) -> Sequence[Group]:
        nodes: dict[str, list[str]] = defaultdict(list)
        for connection in sorted(audience):
            nodes[self._node_of(connection)].append(connection)
        groups = [Group(node, tuple(found), orjson.dumps(found)) for node, found in nodes.items()]
        if self._grouped + len(audience) > MAX_GROUPED:
            self._forget_groups()
        self._groups[audience] = groups
        self._grouped += len(audience)
        return groups

    def _node_of(self, connection: str) -> str:
        return self._moved.get(connection) or born_on(connection)

    def _forget_groups(self) -> None:
        self._groups.clear()
        self._grouped = 0


def born_on(connection: str) -> str:
    """The boot id of the node on which a connection came to be."""
    return connection.partition(".")[0]


def _make_room(memory: dict[str, Any]) -> None:
    if len(memory) >= MAX_MOVED:
        memory.pop(next(iter(memory)))
