"""Runs that end otherwise than by their handler; what a client sees is in tests/integration/app."""

import asyncio
from collections.abc import Awaitable
from typing import Any, cast

import orjson
import pytest

from app.connection import Connection
from app.inline import Inline
from app.meters import Known, Meter
from app.promotion import Promotion, Promotions
from app.tasks import Tasks
from streamer.context import Context
from streamer.definitions import define
from streamer.errors import DuplicateRequest
from streamer.protocol.messages import DEFAULT_OPTIONS, Mode, Options, Request
from streamer.registry import Registry
from streamer.telemetry.metrics import Metrics
from tests.support.until import until
from tests.unit.app.parts import ANN, Socket, connection


class Stage:
    """A node that knows actions that wait until `go`; `brief` has next to no time for it, `promising` is queued then.

    Itself it takes the place of the queue: a submit takes until `stored`.
    """

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.stored = asyncio.Event()
        self.stored.set()
        self.runs = 0
        self.submitted: list[tuple[Connection, Request, float]] = []
        self.tasks = Tasks(lambda: None)
        actions = [
            define("wait", self.wait, module=__name__),
            define("brief", self.wait, module=__name__, timeout=0.01),
            define("promising", self.wait, module=__name__, promote=True, threshold=0.01),
            define("stubborn", self.wait_stubbornly, module=__name__, promote=True, threshold=0.01),
            define("answering", self.wait_all_the_same, module=__name__, promote=True, threshold=0.01),
            define("telling", self.tell, module=__name__, promote=True, threshold=0.01),
            define("emitting", self.emit, module=__name__, promote=True, threshold=0.01, timeout=0.1),
        ]
        metrics = Metrics()
        self.known = {action.name: Known(action, Meter(metrics, action.name), 5.0) for action in actions}
        self.promotions = Promotions(cast("Any", self), self.tasks)
        self.inline = Inline(Registry(actions, threads=1), self.promotions, timeout_s=60.0, progress_live_ms=0)
        self.socket = Socket()
        self.connection = connection(self.socket, v1=True)

    async def wait(self) -> str:
        self.runs += 1
        await self.go.wait()
        return "done"

    async def wait_stubbornly(self) -> str:
        """Its first cancel is not the end of it."""
        self.runs += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.runs += 1
            await self.go.wait()
            if self.submitted:
                return "queued too early"
            raise
        return "never"

    async def wait_all_the_same(self) -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "done all the same"
        return "never"

    async def tell(self, ctx: Context) -> str:
        await ctx.progress(40)
        return await self.wait()

    async def emit(self, ctx: Context) -> str:
        await ctx.emit("a piece")
        return await self.wait()

    async def submit(self, connection: Connection, _: Known, message: Request, *, told: float) -> None:
        self.submitted.append((connection, message, told))
        await self.stored.wait()

    @property
    def was_queued(self) -> bool:
        """Somebody was submitted, and the store has answered."""
        return bool(self.submitted) and len(self.tasks) == 0

    def start(
        self,
        action: str = "wait",
        asker: Connection | None = None,
        *,
        request_id: str | None = "r1",
        options: Options = DEFAULT_OPTIONS,
    ) -> Awaitable[None] | None:
        message = Request(request_id, action, {}, None, options)
        question = orjson.dumps({"action": action}).decode()
        return self.inline.start(asker or self.connection, self.known[action], message, {}, question)

    def started(self, action: str = "wait", **how: Any) -> "asyncio.Task[None]":
        """The task of the reader, which goes on with the run."""
        unfinished = self.start(action, **how)
        assert unfinished is not None

        async def the_rest() -> None:
            await unfinished

        return asyncio.create_task(the_rest(), name="reader")


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def test_when_the_task_is_stopped_the_request_is_to_be_sent_again(stage: Stage) -> None:
    reader = stage.started()
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.wait([reader])
    assert reader.cancelled()
    (answer,) = stage.socket.frames
    assert (answer["final"], answer["error"]["code"]) == (True, "SERVICE_UNAVAILABLE")
    assert answer["error"]["retry"]["retryable"] is True
    assert (stage.connection.in_flight, len(stage.inline)) == (0, 0)
    again = stage.started()  # it was no answer that is repeated
    stage.go.set()
    await again
    assert (stage.runs, stage.socket.frames[-1]["data"]) == (2, "done")


async def test_only_what_is_late_is_stopped(stage: Stage) -> None:
    patient, brief = stage.started(), stage.started("brief", request_id=None)
    await brief
    (answer,) = stage.socket.frames
    assert answer["error"]["code"] == "TIMEOUT"
    assert len(stage.inline) == 1
    stage.go.set()
    await patient
    assert stage.socket.frames[-1]["data"] == "done"


async def test_nobody_looks_at_the_clock_while_nothing_waits(stage: Stage) -> None:
    reader = stage.started()
    assert stage.inline._waiting._timer is not None
    stage.go.set()
    await reader
    await until(lambda: stage.inline._waiting._timer is None)


async def test_a_request_has_no_longer_than_its_outcome_is_wanted(stage: Stage) -> None:
    await stage.started(options=Options(expires_in_ms=10))
    (answer,) = stage.socket.frames
    assert (answer["final"], answer["error"]["code"]) == (True, "TIMEOUT")


# --- promotion --------------------------------------------------------------------------------------------------


async def test_a_run_over_its_threshold_is_queued_under_its_id(stage: Stage) -> None:
    await stage.started("promising")
    await until(lambda: stage.was_queued)
    ((asker, message, told),) = stage.submitted
    assert (asker, message.request_id, message.action, told) == (stage.connection, "r1", "promising", 0.0)
    assert not stage.socket.frames
    assert (stage.connection.in_flight, len(stage.inline)) == (0, 0)


async def test_a_made_id_is_the_id_of_the_job(stage: Stage) -> None:
    await stage.started("telling", request_id=None)
    await until(lambda: stage.was_queued)
    ((_, message, told),) = stage.submitted
    (progress,) = stage.socket.frames
    assert (message.request_id, told) == (progress["request_id"], 40.0)


async def test_everybody_who_joined_is_queued_too(stage: Stage) -> None:
    other = connection(Socket(), name="n1.c2", v1=True)
    reader = stage.started("promising")
    assert stage.start("promising", other) is None
    await reader
    await until(lambda: stage.was_queued)
    assert [asker for asker, _, _ in stage.submitted] == [stage.connection, other]
    assert (stage.connection.in_flight, other.in_flight) == (0, 0)


async def test_who_asks_again_afterwards_is_queued_at_once(stage: Stage) -> None:
    await stage.started("promising")
    assert stage.start("promising") is None
    with pytest.raises(DuplicateRequest):
        stage.start("wait")
    assert stage.inline.answered_before(ANN, "r1") is None
    await until(lambda: len(stage.submitted) == 2 and stage.was_queued)
    assert (stage.runs, stage.connection.in_flight) == (1, 0)


async def test_nothing_is_queued_before_the_handler_has_ended(stage: Stage) -> None:
    reader = stage.started("stubborn")
    await until(lambda: stage.runs == 2)
    assert len(stage.inline) == 1
    stage.go.set()
    await reader
    await until(lambda: stage.was_queued)
    assert not stage.socket.frames


async def test_a_cancel_comes_before_being_queued(stage: Stage) -> None:
    reader = stage.started("stubborn")
    await until(lambda: stage.runs == 2)
    assert stage.inline.cancel(ANN, "r1")
    stage.go.set()
    await reader
    (answer,) = stage.socket.frames
    assert (answer["error"]["code"], stage.submitted) == ("CANCELLED", [])


async def test_a_handler_that_answers_all_the_same_has_answered(stage: Stage) -> None:
    await stage.started("answering")
    (answer,) = stage.socket.frames
    assert (answer["type"], answer["data"], stage.submitted) == ("response", "done all the same", [])


async def test_a_cancel_waits_while_the_store_is_asked(stage: Stage) -> None:
    stage.stored.clear()
    await stage.started("promising")
    await until(lambda: stage.submitted)
    assert stage.connection.in_flight == 1
    assert not stage.inline.cancel(ANN, "r1")
    settled = asyncio.create_task(stage.promotions.settled(ANN, "r1"))
    await asyncio.sleep(0)
    assert not settled.done()
    stage.stored.set()
    await settled
    await stage.promotions.settled(ANN, "r1")


async def test_a_repeat_while_the_store_is_asked_is_waited_for_too(stage: Stage) -> None:
    stage.stored.clear()
    await stage.started("promising")
    assert stage.start("promising") is None
    await until(lambda: len(stage.submitted) == 2)
    stage.stored.set()
    await until(lambda: stage.was_queued)
    assert not stage.promotions._under_way


async def test_output_that_is_on_its_way_is_not_taken_back(stage: Stage) -> None:
    await stage.started("emitting")
    assert [frame["type"] for frame in stage.socket.frames] == ["chunk", "error"]
    assert stage.socket.frames[-1]["error"]["code"] == "TIMEOUT"
    assert not stage.submitted


async def test_who_asked_for_inline_is_not_queued(stage: Stage) -> None:
    reader = stage.started("promising", options=Options(mode=Mode.INLINE, expires_in_ms=60))
    await reader
    assert stage.socket.frames[-1]["error"]["code"] == "TIMEOUT"
    assert not stage.submitted


async def test_what_is_over_by_then_is_not_queued(stage: Stage) -> None:
    """Its handler took so long to end that the outcome is pointless."""
    reader = stage.started("stubborn", options=Options(expires_in_ms=10_000))
    await until(lambda: stage.runs == 2)
    (run,) = stage.inline._waiting
    run.started -= 10.0
    stage.go.set()
    await reader
    assert stage.socket.frames[-1]["error"]["code"] == "TIMEOUT"
    assert not stage.submitted


def test_a_job_has_the_rest_of_the_time() -> None:
    message = Request(None, "promising", {}, None, Options(expires_in_ms=10_000))
    assert Promotion(message, 0.0).request("r1", 4.0) == Request(
        "r1", "promising", {}, None, Options(expires_in_ms=6_000)
    )


async def test_a_short_run_is_looked_at_in_time_though_a_long_one_came_first(stage: Stage) -> None:
    patient, promising = stage.started(), stage.started("promising", request_id="r2")
    assert stage.inline._waiting._step_s == 0.05
    await promising
    stage.go.set()
    await patient
