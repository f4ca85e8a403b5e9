"""A worker that emits, saves checkpoints, fails and dies, a lane that drops what it likes, a client that is cut: what
the client has in the end is what stands."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from app.connection import Connection
from app.filling import Fillings
from app.outbox import Message
from app.owners import Owners
from app.tasks import Tasks
from app.tracker import Frame, Kind, Tracker
from streamer.errors import StoreUnavailable
from streamer.jobs import lifecycle, output
from streamer.jobs.model import Aside, Body, Failure, Job, Progress, Status
from streamer.protocol import frames
from streamer.protocol.frames import Place
from streamer.protocol.messages import Seen
from streamer.store.base import Chunk, EventLog, RequestQueue
from tests.support.until import until
from tests.unit.app.parts import Socket, connection, job

PAGE = 3
FAILED = Failure("PROCESSING_FAILED", "It failed.")


class World:
    """The row and the log of one job, and the worker that writes them."""

    def __init__(self) -> None:
        self.row: Job | None = replace(job(), status=Status.PROCESSING, attempt=1, routes=frozenset())
        self.log: dict[tuple[int, int], Chunk] = {}
        self.unstored: list[Chunk] = []
        self.seq = 0
        self.emitted = 0
        self.away = 0  # calls of the store that fail before it answers again
        self.pages = 0

    @property
    def job(self) -> Job:
        assert self.row is not None
        return self.row

    # --- what the worker does; each gives the frame that it sends

    def emit(self) -> Frame:
        self.seq += 1
        chunk = Chunk(self.emitted, self.job.attempt, self.seq, orjson.dumps([self.job.attempt, self.seq]))
        self.unstored.append(chunk)
        self.emitted += 1
        body = frames.chunk(self._place(), chunk.index, chunk.data, 0.0)
        return self._frame("chunk", body, chunk.index)

    def progress(self) -> Frame:
        self.seq += 1
        self.row = replace(self.job, progress=Progress(self.seq / 10, chunks=self.emitted), seq=self.seq)
        return self._frame("progress", frames.progress(self._place(), Progress(self.seq / 10), 0.0), self.emitted)

    def store(self) -> None:
        self.log.update({(chunk.attempt, chunk.index): chunk for chunk in self.unstored})
        self.unstored.clear()

    def checkpoint(self) -> None:
        self.store()
        self.seq += 1
        self.row = lifecycle.applied(lifecycle.checkpoint(self.job, b"1", self.seq, self.emitted), self.job)

    def retry(self) -> Frame:
        """The attempt is over; what it did not store is lost. The next one has begun when its frame arrives."""
        self.unstored.clear()
        kept = self.job.kept_chunks
        body = frames.retrying(self._place(1_000), FAILED, 0.0, 0.0, continues_from=kept)
        said = replace(self._frame("retrying", body, kept), seq=self.seq + 1_000)
        self.row = replace(self.job, attempt=self.job.attempt + 1, seq=0, progress=None)
        self.seq, self.emitted = 0, kept
        return said

    def complete(self) -> Frame:
        self.store()
        self.seq += 2
        self.row = replace(self.job, status=Status.COMPLETED, result=b'"ok"', chunks=self.emitted, seq=self.seq)
        return self._frame("outcome", frames.complete(self._place(), b'"ok"', self.emitted, 0.0), self.emitted)

    def _place(self, more: int = 0) -> Place:
        return Place(self.job.client_id, self.job.job_id, self.job.attempt, self.seq + more)

    def _frame(self, kind: Kind, body: bytes, chunks: int) -> Frame:
        return Frame(kind, self.job.attempt, self.seq, body, self.seq / 10 if kind == "progress" else None, chunks)

    @property
    def standing(self) -> list[Any]:
        """The output as the row and the log have it."""
        return [
            orjson.loads(self.log[stretch.attempt, index].data)
            for stretch in output.stretches(self.job)
            for index in range(stretch.start, stretch.end or 0)
        ]

    # --- what the node asks

    async def get(self, _: str) -> Job | None:
        self._answer()
        return self.row

    async def load(self, _: Job, body: Body) -> bytes:
        assert not isinstance(body, Aside)
        return body

    async def read_events(self, row: Job, start: int) -> Sequence[Chunk]:
        await asyncio.sleep(0)
        self._answer()
        self.pages += 1
        for stretch in output.stretches(row):
            end = stretch.end if stretch.end is not None else 1_000_000
            mine = sorted(index for attempt, index in self.log if attempt == stretch.attempt)
            found = [index for index in mine if max(start, stretch.start) <= index < end][:PAGE]
            if found:
                return [self.log[stretch.attempt, index] for index in found]
        return []

    async def flush(self, jobs: Collection[Job], connection_id: str) -> Mapping[str, int]:
        del jobs, connection_id
        self.store()
        return {}

    def _answer(self) -> None:
        if self.away:
            self.away -= 1
            raise StoreUnavailable


@dataclass
class Client:
    """What a client does with frames, by PROTOCOL section 5."""

    seen: Seen = field(default_factory=lambda: Seen("r1"))
    output: list[Any] = field(default_factory=list)
    outcome: dict[str, Any] | None = None

    def hear(self, frame: dict[str, Any]) -> None:
        position = (frame["attempt"], frame["seq"])
        assert position > (self.seen.attempt, self.seen.seq), f"{frame} after {self.seen}"
        assert self.outcome is None, f"{frame} after the outcome"
        if frame["type"] == "chunk":
            assert frame["index"] == len(self.output)
            self.output.append(frame["data"])
        elif frame["type"] == "retrying":
            del self.output[frame["continues_from"] :]
        elif frame["type"] == "complete":
            assert frame["chunks"] == len(self.output)
            self.outcome = frame
        self.seen = Seen("r1", *position, len(self.output))


class Stage:
    """One client after the other socket, one node."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.client = Client()
        self.tasks = Tasks(lambda: None)
        self.fillings = Fillings(
            requests=cast("RequestQueue", world),
            events=cast("EventLog", world),
            owners=cast("Owners", world),
            tasks=self.tasks,
            first_pause_s=0.0,
        )
        self.socket = Socket()
        self.connection: Connection | None = None
        self.heard = 0

    def come_back(self) -> None:
        """A new socket; what the old one did not say by now is lost."""
        if self.connection is not None:
            self.listen()
            self.connection.outbox.abandon()
            self.connection.trackers.clear()
        self.socket, self.heard = Socket(), 0
        self.connection = connection(self.socket, v1=True, on_gap=self.fillings.gap)
        if self.client.outcome is None:
            tracker = self.connection.resume(self.world.job.job_id, self.client.seen)
            assert tracker is not None
            self.fillings.start(self.connection, tracker, self.world.job)

    def come_slowly(self) -> tuple["SlowSocket", Connection, Tracker]:
        """A client with nothing, behind a socket that stalls; its tracker is not filled yet."""
        slow = SlowSocket()
        stalled = connection(slow, v1=True, on_gap=self.fillings.gap)
        tracker = stalled.resume(self.world.job.job_id, Seen("r1"))
        assert tracker is not None
        return slow, stalled, tracker

    def deliver(self, frame: Frame) -> None:
        assert self.connection is not None
        tracker = self.connection.trackers.get(self.world.job.job_id)
        if tracker is not None and not tracker.is_stale(frame):
            self.connection.deliver(tracker, frame, 0.0)
        self.listen()

    def listen(self) -> None:
        for frame in self.socket.frames[self.heard :]:
            self.client.hear(frame)
            self.heard += 1

    async def ended(self) -> dict[str, Any]:
        def outcome() -> dict[str, Any] | None:
            self.listen()
            return self.client.outcome

        return await until(outcome)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["emit"] * 6 + ["progress", "store", "checkpoint", "retry", "cut", "away"]),
        st.sampled_from(["arrives", "arrives", "is dropped"]),
        st.booleans(),  # whether the node gets to work in between
    ),
    max_size=60,
)


@given(STEPS)
@settings(deadline=None, max_examples=150)
def test_whatever_is_dropped_cut_or_run_again_the_client_has_what_stands(steps: list[tuple[str, str, bool]]) -> None:
    asyncio.run(_play(steps))


async def _play(steps: list[tuple[str, str, bool]]) -> None:
    world = World()
    stage = Stage(world)
    stage.come_back()
    for action, fate, pause in steps:
        if action == "cut":
            stage.come_back()
        elif action == "away":
            world.away = 1
        else:
            frame = getattr(world, action)()
            if isinstance(frame, Frame) and fate == "arrives":
                stage.deliver(frame)
        if pause:
            await asyncio.sleep(0)
    world.away = 0
    stage.deliver(world.complete())
    await stage.ended()
    await stage.tasks.stop()
    assert not stage.tasks.died
    assert stage.client.output == world.standing


# --- single stories -----------------------------------------------------------------------------------------


def tracker_of(stage: Stage) -> Tracker:
    assert stage.connection is not None
    return stage.connection.trackers[stage.world.job.job_id]


async def test_where_nothing_is_missing_the_log_is_not_read() -> None:
    world = World()
    stage = Stage(world)
    world.emit()
    stage.client.seen = Seen("r1", 1, 1, 1)
    stage.connection = connection(stage.socket, v1=True, on_gap=stage.fillings.gap)
    tracker = stage.connection.resume(world.job.job_id, stage.client.seen)
    assert tracker is not None
    stage.fillings.start(stage.connection, tracker, world.job, emitted=1)
    assert not tracker.filling
    assert not len(stage.tasks)


async def test_a_row_that_is_gone_ends_the_request() -> None:
    world = World()
    stage = Stage(world)
    stage.come_back()
    tracker = tracker_of(stage)
    await until(lambda: not tracker.is_served)
    world.row = None
    assert stage.connection is not None
    tracker.begin_filling()
    stage.fillings.start(stage.connection, tracker)
    frame = await until(lambda: next(iter(stage.socket.frames), None))
    assert (frame["type"], frame["final"], frame["error"]["code"]) == ("error", True, "NOT_FOUND")


async def test_chunks_that_have_expired_are_left_out() -> None:
    world = World()
    stage = Stage(world)
    for _ in range(6):
        world.emit()
    world.complete()
    for index in range(4):
        del world.log[1, index]
    stage.come_back()
    await until(lambda: [frame for frame in stage.socket.frames if frame["type"] == "complete"])
    assert [frame["index"] for frame in stage.socket.frames if frame["type"] == "chunk"] == [4, 5]


async def test_replay_waits_for_a_reader_that_is_slow() -> None:
    world = World()
    for _ in range(20):
        world.emit()
    world.complete()
    stage = Stage(world)
    slow, stalled, tracker = stage.come_slowly()
    stage.fillings.start(stalled, tracker, world.job)
    await until(lambda: slow.is_full)
    assert world.pages == 1
    assert len(stalled.outbox._waiting) == 0
    slow.open.set()
    await until(lambda: [frame for frame in slow.frames if frame["type"] == "complete"])
    assert [frame["index"] for frame in slow.frames if frame["type"] == "chunk"] == list(range(20))


async def test_a_tracker_is_filled_by_one_at_a_time() -> None:
    world = World()
    for _ in range(20):
        world.emit()
    world.complete()
    stage = Stage(world)
    slow, stalled, tracker = stage.come_slowly()
    first = stage.fillings.start(stalled, tracker, world.job)
    await until(lambda: slow.is_full)
    assert stage.fillings.start(stalled, tracker, world.job) is first
    slow.open.set()
    await until(lambda: [frame for frame in slow.frames if frame["type"] == "complete"])
    assert [frame["index"] for frame in slow.frames if frame["type"] == "chunk"] == list(range(20))


async def test_what_many_lack_is_read_once() -> None:
    world = World()
    for _ in range(PAGE):
        world.emit()
    world.complete()
    stages = [Stage(world) for _ in range(5)]
    for stage in stages:
        stage.fillings = stages[0].fillings
        stage.come_back()
    for stage in stages:
        await stage.ended()
        assert stage.client.output == world.standing
    assert world.pages == 1


async def test_who_waits_for_a_read_that_fails_asks_again() -> None:
    world = World()
    for _ in range(PAGE):
        world.emit()
    world.complete()
    stages = [Stage(world) for _ in range(3)]
    world.away = 1
    for stage in stages:
        stage.fillings = stages[0].fillings
        stage.come_back()
    for stage in stages:
        await stage.ended()
        assert stage.client.output == world.standing


async def test_a_connection_that_is_gone_is_not_filled() -> None:
    world = World()
    for _ in range(20):
        world.emit()
    world.store()
    stage = Stage(world)
    slow, stalled, tracker = stage.come_slowly()
    stage.fillings.start(stalled, tracker, world.job)
    await until(lambda: slow.is_full)
    stalled.outbox.abandon()
    await until(lambda: not len(stage.tasks))
    assert len(slow.sent) <= 2


class SlowSocket(Socket):
    """Takes two frames, and the others once it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open = asyncio.Event()

    @property
    def is_full(self) -> bool:
        return len(self.sent) >= 2

    async def send(self, message: Message) -> None:
        await super().send(message)
        if self.is_full:
            await self.open.wait()
