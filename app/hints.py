"""Telling workers of jobs that were just stored, so that none has to wait for a sweep."""

import asyncio
import contextlib
import random
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Final

import orjson

from app.owners import Post
from app.tasks import Tasks
from streamer.cluster.calls import Gone, Unreachable
from streamer.cluster.registry import Peers
from streamer.jobs.model import Job
from streamer.store.base import NodeRow, now_ms
from streamer.telemetry.metrics import Metrics

HINT: Final = "/internal/hint"
MAX_BATCH: Final = 100
MAX_TRIES: Final = 3
"""One worker, and two more where it did not take the job; the sweep finds it anyway."""
MAX_UNPLACED: Final = 1_000
MAX_DELAYED: Final = 10_000
"""Delayed jobs that wait for their hint; the sweep finds what is more."""
LATE_MS: Final = 5
"""After its due time a job is hinted at: a claim that comes too early is refused."""


@dataclass(slots=True)
class Hint:
    job_id: str
    queue: str
    action: str
    tried: set[str] = field(default_factory=set)  # worker sessions
    was_unplaced: bool = False  # nobody suited it when it was made

    def suits(self, row: NodeRow) -> bool:
        info = row.info
        return (
            not info.get("draining")
            and row.node_id not in self.tried
            and self.queue in info.get("queues", ())
            and self.action in info.get("actions", ())
        )


@dataclass(frozen=True, slots=True)
class Answer:
    """The jobs that a worker took, and how many slots it has left; None where it does not say."""

    taken: frozenset[str] = frozenset()
    free: int | None = None


class Hints:
    """Picks, for each job, the freer one of two random workers with free slots; sends in batches, one POST at a
    time per worker. When all are full nobody is told: whoever frees a slot looks by itself. Where no worker is
    known that does such jobs, as just after a start, the hint waits for the next look at the registry.

    `is_on`: False where workers are not woken directly; then nothing is sent.
    """

    def __init__(self, post: Post, peers: Peers, tasks: Tasks, metrics: Metrics, *, is_on: bool = True) -> None:
        self._post = post
        self._peers = peers
        self._tasks = tasks
        self._is_on = is_on
        self._delayed = 0  # hints that wait until their job is due
        self._results = {result: metrics.hints.labels(result) for result in ("taken", "refused", "failed")}
        self._waiting: dict[str, list[Hint]] = defaultdict(list)  # by worker session
        self._sending: set[str] = set()  # worker sessions with a POST under way
        self._unplaced: deque[Hint] = deque(maxlen=MAX_UNPLACED)  # suited nobody who was known
        self._spent: dict[str, tuple[int, int]] = {}  # session -> beat of its row, slots promised away since then

    def tell(self, job: Job) -> None:
        """Hints at a job once it may start, which may be now; never blocks, never raises."""
        if not self._is_on:
            return
        hint = Hint(job.job_id, job.queue, job.action)
        if job.due_ms is None:
            self._assign(hint)
        elif self._delayed < MAX_DELAYED:
            self._delayed += 1
            wait_s = max(0, job.due_ms + LATE_MS - now_ms()) / 1000
            asyncio.get_running_loop().call_later(wait_s, self._assign_due, hint)

    def _assign_due(self, hint: Hint) -> None:
        self._delayed -= 1
        self._assign(hint)

    def workers_seen(self) -> None:
        """The registry was read anew: what suited nobody before has one more try."""
        unplaced, self._unplaced = self._unplaced, deque(maxlen=MAX_UNPLACED)
        for hint in unplaced:
            hint.was_unplaced = True
            self._assign(hint)

    def _assign(self, hint: Hint) -> None:
        if len(hint.tried) >= MAX_TRIES:
            return
        suited = [row for row in self._peers.rows() if hint.suits(row)]
        able = [row for row in suited if self._free(row) > 0]
        if not able:
            if not (suited or hint.tried or hint.was_unplaced):
                self._unplaced.append(hint)
            return
        best = max(random.sample(able, min(2, len(able))), key=self._free)
        self._spend(best, 1)
        hint.tried.add(best.node_id)
        self._waiting[best.node_id].append(hint)
        if best.node_id not in self._sending:
            self._sending.add(best.node_id)
            self._tasks.start(self._send_all(best.node_id), f"hints {best.node_id}")

    def _free(self, row: NodeRow) -> int:
        beat, spent = self._spent.get(row.node_id, (row.beat, 0))
        return int(row.info.get("free", 0)) - (spent if beat == row.beat else 0)

    def _spend(self, row: NodeRow, slots: int) -> None:
        beat, spent = self._spent.get(row.node_id, (row.beat, 0))
        self._spent[row.node_id] = (row.beat, slots + (spent if beat == row.beat else 0))

    async def _send_all(self, session: str) -> None:
        try:
            await asyncio.sleep(0)  # what is submitted in this round of the loop goes along
            while batch := self._waiting[session][:MAX_BATCH]:
                del self._waiting[session][:MAX_BATCH]
                for hint in await self._send(session, batch):
                    self._assign(hint)
        finally:
            self._sending.discard(session)
            del self._waiting[session]
            self._forget_the_gone()

    async def _send(self, session: str, batch: list[Hint]) -> list[Hint]:
        """Those that were not taken."""
        answer = await self._offer(session, batch)
        if answer is None:
            self._results["failed"].inc(len(batch))
            left = batch
        else:
            self._correct(session, answer)
            left = [hint for hint in batch if hint.job_id not in answer.taken]
            self._results["taken"].inc(len(batch) - len(left))
            self._results["refused"].inc(len(left))
        if left:
            self._mark_full(session)
        return left

    async def _offer(self, session: str, batch: list[Hint]) -> Answer | None:
        """None where the worker could not be asked."""
        endpoint = self._peers.endpoint(session)
        if endpoint is None:
            return None
        jobs = [{"id": hint.job_id, "queue": hint.queue, "action": hint.action} for hint in batch]
        try:
            return _read(await self._post(endpoint, HINT, orjson.dumps({"jobs": jobs})))
        except (Unreachable, Gone):
            return None

    def _correct(self, session: str, answer: Answer) -> None:
        """The worker says how many slots it has now: short jobs have given theirs back since its row was written."""
        row = self._peers.get(session)
        if row is not None and answer.free is not None:
            promised = len(self._waiting[session])
            self._spent[session] = (row.beat, int(row.info.get("free", 0)) - answer.free + promised)

    def _mark_full(self, session: str) -> None:
        """Until its row says otherwise."""
        row = self._peers.get(session)
        if row is not None:
            self._spend(row, int(row.info.get("free", 0)))

    def _forget_the_gone(self) -> None:
        for session in [session for session in self._spent if self._peers.get(session) is None]:
            del self._spent[session]


def _read(body: bytes) -> Answer:
    with contextlib.suppress(orjson.JSONDecodeError, AttributeError, TypeError):  # an answer that says nothing
        answer = orjson.loads(body)
        return Answer(frozenset(answer.get("taken", ())), answer.get("free"))
    return Answer()
