"""The ordered pipes from this process to the nodes: one lane per node, one POST in flight per lane.

What arrives while a POST is under way goes with the next one, so an idle lane adds no delay and a busy one makes
batches. A lane is made by its first parcel and ends when it is empty.

What happens at the bound: progress of a request is replaced by newer progress of it; over 1 MiB the oldest progress
is dropped, and where that is not enough the oldest chunks; anything else is dropped only after the lane has been
failing for 2 s. Chunks and outcomes are stored, and every later frame says how many chunks came before it, so a
receiver sees what is missing and reads it. A stuck node slows no other: lanes share nothing.
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

import orjson
import structlog

from streamer.cluster.calls import Gone, Unreachable
from streamer.telemetry.metrics import Metrics

log = structlog.get_logger()

Kind = Literal["progress", "chunk", "retrying", "outcome"]

DELIVER: Final = "/internal/deliver"
MAX_LANE_BYTES: Final = 1 << 20
ROOMY_LANE_BYTES: Final = MAX_LANE_BYTES * 3 // 4
"""What a lane that is full is brought down to: the search for what may go is paid once in many frames."""
MAX_POST_BYTES: Final = 1 << 18
GIVE_UP_S: Final = 2.0
FIRST_BACK_OFF_S: Final = 0.2
MAX_BACK_OFF_S: Final = 2.0
_DROPPED_FIRST: Final[tuple[Kind, ...]] = ("progress", "chunk")


@dataclass(eq=False, slots=True, kw_only=True)
class Parcel:
    """One frame for some connections of one node. `meta` and `frame` are lines of JSON; `addresses` is what the meta
    data says of the connections, the same object for all frames to the same ones."""

    connections: tuple[str, ...]
    addresses: bytes
    job_id: str
    kind: Kind
    meta: bytes
    frame: bytes
    tried: str | None = None  # None: its connections were not looked up yet; else the endpoint that failed, or ""
    arrived: float = 0.0  # loop time, set by the lane

    @property
    def size(self) -> int:
        return len(self.meta) + len(self.frame) + 2


class Post(Protocol):
    """`Caller.post`."""

    async def __call__(self, endpoint: str, path: str, body: bytes, /) -> bytes: ...


Undelivered = Callable[[Parcel, Sequence[str], str], None]
"""Told of a parcel, of those of its connections that the node does not have (all, where it does not answer), and
of the node's endpoint."""


@dataclass(slots=True)
class Backlog:
    """What waits in a lane, in order; the newest progress of a request stands for the older ones."""

    parcels: dict[object, Parcel] = field(default_factory=dict)
    size: int = 0

    def add(self, parcel: Parcel) -> None:
        key = self._key(parcel)
        if key is not parcel:
            self._forget(key)
        self.parcels[key] = parcel
        self.size += parcel.size

    def put_back(self, batch: Iterable[Parcel]) -> None:
        """The batch of a failed POST goes first again, without progress that is outdated by now."""
        newer, self.parcels, self.size = self.parcels, {}, 0
        for parcel in (*batch, *newer.values()):
            self.add(parcel)

    def take(self, max_bytes: int) -> list[Parcel]:
        """The first parcels up to so many bytes; at least one."""
        batch: list[Parcel] = []
        total, addresses = 0, b""
        for parcel in self.parcels.values():
            total += parcel.size if parcel.addresses is addresses else parcel.size + len(parcel.addresses)
            if batch and total > max_bytes:
                break
            batch.append(parcel)
            addresses = parcel.addresses
        if len(batch) == len(self.parcels):
            self.parcels, self.size = {}, 0
        else:
            for parcel in batch:
                self._forget(self._key(parcel))
        return batch

    def shrink(self, max_bytes: int) -> int:
        """Drops the oldest progress, then the oldest chunks, until it fits. Returns how many were dropped."""
        victims = [key for kind in _DROPPED_FIRST for key, parcel in self.parcels.items() if parcel.kind == kind]
        dropped = 0
        for key in victims:
            if self.size <= max_bytes:
                break
            self._forget(key)
            dropped += 1
        return dropped

    def drop_older(self, than: float) -> list[Parcel]:
        old = [key for key, parcel in self.parcels.items() if parcel.arrived < than]
        return [parcel for key in old if (parcel := self._forget(key))]

    def _forget(self, key: object) -> Parcel | None:
        parcel = self.parcels.pop(key, None)
        if parcel is not None:
            self.size -= parcel.size
        return parcel

    def _key(self, parcel: Parcel) -> object:
        return (parcel.job_id, parcel.connections) if parcel.kind == "progress" else parcel


class Lane:
    """One node. `send` never blocks; `run` ends when nothing is left to send."""

    def __init__(self, endpoint: str, post: Post, undelivered: Undelivered, metrics: Metrics) -> None:
        self._endpoint = endpoint
        self._post = post
        self._undelivered = undelivered
        self._metrics = metrics
        self._backlog = Backlog()
        self._failing_since: float | None = None  # loop time of the first failure since the last success
        self._back_off_s = FIRST_BACK_OFF_S
        self._clock = asyncio.get_running_loop().time

    def __len__(self) -> int:
        """How many parcels wait."""
        return len(self._backlog.parcels)

    def send(self, parcel: Parcel) -> None:
        parcel.arrived = self._clock()
        self._backlog.add(parcel)
        self._make_room()

    async def run(self) -> None:
        while self._backlog.parcels:
            await self._send_batch()

    async def _send_batch(self) -> None:
        batch = self._backlog.take(MAX_POST_BYTES)
        try:
            answer = await self._post(self._endpoint, DELIVER, body(batch))
        except Gone:
            self._answered("gone")
            self._hand_back(batch, None)
        except Unreachable as error:
            await self._failed(batch, error)
        else:
            self._answered("ok")
            self._hand_back(batch, gone_in(answer))

    def _answered(self, result: str) -> None:
        if self._failing_since is not None:
            log.info("lane_recovered", endpoint=self._endpoint)
        self._failing_since, self._back_off_s = None, FIRST_BACK_OFF_S
        self._metrics.lane_posts.labels(result).inc()

    def _hand_back(self, batch: Iterable[Parcel], gone: frozenset[str] | None) -> None:
        """Gives up the connections that the node does not have; None: it has none of them."""
        if gone is not None and not gone:
            return
        for parcel in batch:
            missing = [name for name in parcel.connections if gone is None or name in gone]
            if missing:
                self._undelivered(parcel, missing, self._endpoint)

    async def _failed(self, batch: list[Parcel], error: Unreachable) -> None:
        now = self._clock()
        self._metrics.lane_posts.labels("failed").inc()
        if self._failing_since is None:
            self._failing_since = now
            log.warning("lane_failing", endpoint=self._endpoint, reason=str(error))
        self._hand_back([parcel for parcel in batch if parcel.tried is None], None)
        self._backlog.put_back(batch)
        self._make_room()
        if now - self._failing_since >= GIVE_UP_S:
            self._drop("gone", len(self._backlog.drop_older(now - GIVE_UP_S)))
        if self._backlog.parcels:
            await asyncio.sleep(self._back_off_s)
            self._back_off_s = min(2 * self._back_off_s, MAX_BACK_OFF_S)

    def _make_room(self) -> None:
        if self._backlog.size > MAX_LANE_BYTES:
            self._drop("full", self._backlog.shrink(ROOMY_LANE_BYTES))

    def _drop(self, reason: str, count: int) -> None:
        if count:
            self._metrics.frames_dropped.labels(reason).inc(count)


class Lanes:
    """All lanes of this process, by the endpoint of the node."""

    def __init__(self, post: Post, metrics: Metrics) -> None:
        self._post = post
        self._metrics = metrics
        self._lanes: dict[str, tuple[Lane, asyncio.Task[None]]] = {}
        self.undelivered: Undelivered = lambda _parcel, _connections, _endpoint: None  # set by whoever can find them
        metrics.lane_backlog.set_function(self._waiting)  # counting every frame would cost more than sending it

    def send(self, endpoint: str, parcel: Parcel) -> None:
        """Puts a parcel on its lane; never blocks, never raises."""
        known = self._lanes.get(endpoint)
        if known is not None:
            known[0].send(parcel)
            return
        lane = Lane(endpoint, self._post, self._hand_back, self._metrics)
        lane.send(parcel)
        task = asyncio.create_task(self._run(endpoint, lane), name=f"lane {endpoint}")
        task.add_done_callback(report_death)
        self._lanes[endpoint] = (lane, task)

    async def flush(self, timeout_s: float) -> None:
        """Waits until the lanes are empty, or the time is over."""
        tasks = [task for _, task in self._lanes.values()]
        if tasks:
            await asyncio.wait(tasks, timeout=timeout_s)

    async def close(self) -> None:
        """Ends all lanes at once; what still waits in them is dropped."""
        tasks = [task for _, task in self._lanes.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, endpoint: str, lane: Lane) -> None:
        try:
            await lane.run()
        finally:
            del self._lanes[endpoint]

    def _hand_back(self, parcel: Parcel, connections: Sequence[str], endpoint: str) -> None:
        self.undelivered(parcel, connections, endpoint)

    def _waiting(self) -> float:
        return sum(len(lane) for lane, _ in self._lanes.values())

    def __len__(self) -> int:
        return len(self._lanes)


def report_death(task: asyncio.Task[None]) -> None:
    """A done-callback: a task that nobody was to see end is not silent when it does."""
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("task_died", task=task.get_name(), exc_info=error)


def body(batch: Iterable[Parcel]) -> bytes:
    """Lines: meta, frame, meta, frame, …; addresses that are those of the frame before are left out."""
    lines: list[bytes] = []
    addresses: bytes | None = None
    for parcel in batch:
        same = parcel.addresses is addresses
        lines += (parcel.meta if same else b'{"c":%b,%b' % (parcel.addresses, parcel.meta[1:]), parcel.frame)
        addresses = parcel.addresses
    return b"\n".join(lines)


def gone_in(answer: bytes) -> frozenset[str]:
    """The connections that the node does not have (any more), from its answer."""
    with contextlib.suppress(orjson.JSONDecodeError, AttributeError, TypeError):  # an answer that says nothing
        return frozenset(orjson.loads(answer).get("gone", ()))
    return frozenset()
