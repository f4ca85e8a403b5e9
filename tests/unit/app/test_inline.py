"""Runs that end otherwise than by their handler; what a client sees is in tests/integration/app."""

import asyncio
from collections.abc import Awaitable

import pytest

from app.connection import Connection
from app.inline import Inline
from app.meters import Known, Meter
from streamer.definitions import define
from streamer.protocol.messages import DEFAULT_OPTIONS, Request
from streamer.registry import Registry
from streamer.telemetry.metrics import Metrics
from tests.support.until import until
from tests.unit.app.parts import Socket, connection


class Stage:
    """A node that knows two actions, which wait until `go`; one has next to no time for it."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.runs = 0
        actions = [
            define("wait", self.wait, module=__name__),
            define("brief", self.wait, module=__name__, timeout=0.01),
        ]
        metrics = Metrics()
        self.known = {action.name: Known(action, Meter(metrics, action.name), 5.0) for action in actions}
        self.inline = Inline(Registry(actions, threads=1), timeout_s=60.0, progress_live_ms=100)
        self.inline._sweep_s = 0.01
        self.socket = Socket()
        self.connection = connection(self.socket, v1=True)

    async def wait(self) -> str:
        self.runs += 1
        await self.go.wait()
        return "done"

    def start(self, action: str = "wait", asker: Connection | None = None) -> Awaitable[None] | None:
        message = Request("r1" if action == "wait" else None, action, {}, None, DEFAULT_OPTIONS)
        return self.inline.start(asker or self.connection, self.known[action], message, {}, '{"action":"wait"}')

    def started(self, action: str = "wait") -> "asyncio.Task[None]":
        """The task of the reader, which goes on with the run."""
        unfinished = self.start(action)
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
    patient, brief = stage.started(), stage.started("brief")
    await brief
    (answer,) = stage.socket.frames
    assert answer["error"]["code"] == "TIMEOUT"
    assert len(stage.inline) == 1
    stage.go.set()
    await patient
    assert stage.socket.frames[-1]["data"] == "done"


async def test_nobody_looks_at_the_clock_while_nothing_waits(stage: Stage) -> None:
    reader = stage.started()
    assert stage.inline._sweeper is not None
    stage.go.set()
    await reader
    await until(lambda: stage.inline._sweeper is None)
