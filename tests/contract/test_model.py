"""Any order of verbs, by any hands, at any time: each engine does what the plain model does."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from hypothesis.strategies import integers, sampled_from

from streamer.errors import DuplicateRequest, Fenced, NotFound
from streamer.jobs.dispatch import Kind
from streamer.jobs.model import Job, Progress, Status
from streamer.store.base import RoutesFull, now_ms
from tests.support.jobs import DAY_MS, OOPS, Clock
from tests.support.model import Handle, Plain, PlainQueue, seen
from tests.support.store import Engine, Scene

EXAMPLES = {"sqlite": (50, 30), "dynamodb": (8, 20), "aws": (8, 20)}
REFUSALS = (DuplicateRequest, Fenced, NotFound, RoutesFull)

CLIENT_IDS = sampled_from(["r1", "r2", "r3"])
CONNECTIONS = sampled_from([f"c{number}" for number in range(10)])
SESSIONS = sampled_from(["session-a", "session-b"])
SEQS = integers(0, 6)
CHUNKS = sampled_from([0, 0, 50, 60, 70])
WHICH = integers(0, 20)


class QueueMachine(RuleBasedStateMachine):
    """Does everything twice, and compares."""

    handles = Bundle("handles")  # rows as workers once got them: some still own their job, most do not

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        clock = Clock(now_ms() // 1000 * 1000)
        self.opening = engine.open(clock=clock)
        self.scene = Scene(self.runner.run(self.opening.__aenter__()), clock)
        self.model = PlainQueue(clock())
        self.spoilt = 0  # handles before this number are from before a week passed: no worker lives so long
        self.given: list[Job] = []

    def teardown(self) -> None:
        try:
            self.runner.run(self._compare_index())
        finally:
            self.runner.run(self.opening.__aexit__(None, None, None))
            self.runner.close()

    # --- rules ---

    @rule(client_id=CLIENT_IDS, number=integers(1, 2), connection=CONNECTIONS, delay_ms=sampled_from([0, 0, 1_000]))
    def enqueue(self, client_id: str, number: int, connection: str, delay_ms: int) -> None:
        payload = b'{"n":%d}' % number
        asked = self.scene.submission(
            client_id, payload=payload, connection=connection, delay_ms=delay_ms, max_retries=1
        )
        expected = self._expected(lambda: self.model.enqueue(self.scene.job_id(client_id), asked))
        actual = self._actual(self.scene.store.requests.enqueue(asked))
        if isinstance(expected, tuple):
            assert (seen(actual.job), actual.created) == expected
        else:
            assert actual is expected

    @precondition(lambda self: self.model.jobs)
    @rule(target=handles, which=WHICH, session=SESSIONS)
    def claim(self, which: int, session: str) -> Any:
        job_id = self._pick(which)
        expected = self.model.claim(job_id, session)
        actual = self._actual(self.scene.store.requests.claim(job_id, self.scene.queue, session))
        assert (actual and seen(actual)) == expected
        return self._handed(actual if actual is not None and actual.status is Status.PROCESSING else None)

    @rule(target=handles, number=handles, percentage=integers(0, 100), seq=SEQS)
    def save_progress(self, number: int | None, percentage: int, seq: int) -> Any:
        def verbs(job: Job, mine: Handle) -> tuple[Callable[[], Plain], Awaitable[Job]]:
            return (
                lambda: self.model.save_progress(mine, percentage, seq),
                self.scene.store.requests.save_progress(job, Progress(percentage), seq),
            )

        return self._handed(self._own(number, verbs))

    @rule(target=handles, number=handles, page=integers(1, 9), seq=SEQS, chunks=CHUNKS)
    def save_checkpoint(self, number: int | None, page: int, seq: int, chunks: int) -> Any:
        state = b'{"page":%d}' % page

        def verbs(job: Job, mine: Handle) -> tuple[Callable[[], Plain], Awaitable[Job]]:
            return (
                lambda: self.model.save_checkpoint(mine, state, seq, chunks),
                self.scene.store.requests.save_checkpoint(job, state, seq, chunks=chunks),
            )

        return self._handed(self._own(number, verbs))

    @rule(number=handles, seq=SEQS, chunks=CHUNKS)
    def complete(self, number: int | None, seq: int, chunks: int) -> None:
        def verbs(job: Job, mine: Handle) -> tuple[Callable[[], Plain], Awaitable[Job]]:
            return (
                lambda: self.model.complete(mine, b"1", seq, chunks),
                self.scene.store.requests.complete(job, b"1", seq, chunks=chunks),
            )

        self._own(number, verbs)

    @rule(number=handles, seq=SEQS, chunks=CHUNKS)
    def fail(self, number: int | None, seq: int, chunks: int) -> None:
        def verbs(job: Job, mine: Handle) -> tuple[Callable[[], Plain], Awaitable[Job]]:
            return (
                lambda: self.model.fail(mine, seq, chunks),
                self.scene.store.requests.fail(job, OOPS, seq, chunks=chunks),
            )

        self._own(number, verbs)

    @rule(number=handles, seq=SEQS, chunks=CHUNKS)
    def cancelled(self, number: int | None, seq: int, chunks: int) -> None:
        def verbs(job: Job, mine: Handle) -> tuple[Callable[[], Plain], Awaitable[Job]]:
            return (
                lambda: self.model.cancelled(mine, seq, chunks),
                self.scene.store.requests.cancelled(job, seq, chunks=chunks),
            )

        self._own(number, verbs)

    @rule(number=handles, seq=SEQS, after_ms=sampled_from([0, 1_000]), chunks=CHUNKS)
    def retry(self, number: int | None, seq: int, after_ms: int, chunks: int) -> None:
        due_ms = self.scene.clock() + after_ms

        def verbs(job: Job, mine: Handle) -> tuple[Callable[[], Plain], Awaitable[Job]]:
            return (
                lambda: self.model.retry(mine, seq, due_ms, chunks),
                self.scene.store.requests.retry(job, OOPS, seq, due_ms, chunks=chunks),
            )

        self._own(number, verbs)

    @rule(number=handles)
    def release(self, number: int | None) -> None:
        queue = self.scene.store.requests
        self._own(number, lambda job, mine: (lambda: self.model.release(mine), queue.release(job)))

    @rule(number=handles)
    def lost(self, number: int | None) -> None:
        queue = self.scene.store.requests
        self._own(number, lambda job, mine: (lambda: self.model.lost(mine), queue.lost(job)))

    @rule(client_id=CLIENT_IDS)
    def cancel(self, client_id: str) -> None:
        cancelling = self.scene.store.requests.cancel(self.scene.tenant, self.scene.user, client_id)
        self._both(lambda: self.model.cancel(self.scene.job_id(client_id)), cancelling)

    @rule(client_id=CLIENT_IDS, connection=CONNECTIONS)
    def attach(self, client_id: str, connection: str) -> None:
        job_id = self.scene.job_id(client_id)
        attaching = self.scene.store.requests.attach(job_id, self.scene.tenant, self.scene.user, connection)
        self._both(lambda: self.model.attach(job_id, connection), attaching)

    @rule(number=handles)
    def watched(self, number: int | None) -> None:
        queue = self.scene.store.requests
        self._own(number, lambda job, _: (lambda: self.model.watched(job.job_id), queue.watched(job)))

    @precondition(lambda self: self.model.jobs)
    @rule(which=WHICH)
    def redrive(self, which: int) -> None:
        job_id = self._pick(which)
        again_id = self.scene.job_id(f"redrive:{job_id}")
        self._both(lambda: self.model.redrive(job_id, again_id), self.scene.store.requests.redrive(job_id))

    @rule(ms=sampled_from([1, 999, 1_000]))
    def wait(self, ms: int) -> None:
        self.model.now_ms = self.scene.clock.advance(ms)

    @rule(days=sampled_from([6, 8, 15]))
    def wait_for_days(self, days: int) -> None:
        self.model.now_ms = self.scene.clock.advance(days * DAY_MS)
        self.spoilt = len(self.given)

    @invariant()
    def rows_are_equal(self) -> None:
        rows = self.runner.run(self.scene.store.requests.get_many(list(self.model.jobs)))
        expected = {job_id: self.model.present(job_id) for job_id in self.model.jobs}
        assert {job_id: seen(row) for job_id, row in rows.items()} == {k: v for k, v in expected.items() if v}

    # --- both ---

    def _own(
        self, number: int | None, verbs: Callable[[Job, Handle], tuple[Callable[[], Plain], Awaitable[Job]]]
    ) -> Job | None:
        """Runs a verb with what a worker once got; None where it was refused, or nobody got anything."""
        if number is None or number < self.spoilt:
            return None
        job = self.given[number]
        plain, real = verbs(job, Handle(job.job_id, job.attempt, job.seq, job.retries_left, job.kept_chunks))
        return self._both(plain, real)

    def _both(self, plain: Callable[[], Plain], real: Awaitable[Job]) -> Job | None:
        expected, actual = self._expected(plain), self._actual(real)
        assert (seen(actual) if isinstance(actual, Job) else actual) == expected
        return actual if isinstance(actual, Job) else None

    def _expected(self, plain: Callable[[], Any]) -> Any:
        try:
            return plain()
        except REFUSALS as refusal:
            return type(refusal)

    def _actual(self, real: Awaitable[Any]) -> Any:
        async def run() -> Any:
            try:
                return await real
            except REFUSALS as refusal:
                return type(refusal)

        return self.runner.run(run())

    def _handed(self, job: Job | None) -> int | None:
        if job is None:
            return None
        self.given.append(job)
        return len(self.given) - 1

    def _pick(self, which: int) -> str:
        names = sorted(self.model.jobs)
        return names[which % len(names)]

    async def _compare_index(self) -> None:
        for kind in Kind:
            listed = await self.scene.index(kind)
            assert listed.keys() == {job_id for job_id, job in self.model.jobs.items() if job.where == kind}


def test_an_engine_does_what_the_model_does(engine: Engine) -> None:
    examples, steps = EXAMPLES[engine.name]
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    factory: Any = lambda: QueueMachine(engine)  # noqa: E731  hypothesis calls it once per example
    run_state_machine_as_test(factory, settings=profile)
