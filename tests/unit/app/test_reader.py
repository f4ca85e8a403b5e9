import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from app.connection import Connection
from app.reader import Reader
from tests.support.until import until
from tests.unit.app.parts import Socket, connection


class Stage:
    """A reader of frames that the test puts into a queue."""

    def __init__(self) -> None:
        self.inbound: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.socket = Socket()
        self.connection = connection(self.socket)
        self.taken: list[str | None] = []
        self.ends: list[int] = []
        self.gates: dict[str, asyncio.Future[None]] = {}
        self.reader = Reader(self.connection, self.inbound.get, self.take, self.ends.append, max_bytes=10)
        self.task = asyncio.create_task(self.reader.run(), name="socket")

    def take(self, _: Connection, text: str | None) -> Awaitable[None] | None:
        self.taken.append(text)
        if text is None or not text.startswith("wait"):
            return None
        self.gates[text] = asyncio.get_running_loop().create_future()
        return self.gates[text]

    def receive(self, text: str | None) -> None:
        self.inbound.put_nowait({"type": "websocket.receive", "text": text})

    def disconnect(self) -> None:
        self.inbound.put_nowait({"type": "websocket.disconnect", "code": 1000})


@pytest.fixture
async def stage() -> Stage:
    return Stage()


async def test_it_reads_on_while_answers_are_waited_for(stage: Stage) -> None:
    for text in ("wait1", "wait2", "a", None):
        stage.receive(text)
    await until(lambda: len(stage.taken) == 4)
    stage.disconnect()
    await until(lambda: stage.ends == [1000])
    assert not stage.task.done()
    for gate in stage.gates.values():
        gate.set_result(None)
    await stage.task
    assert stage.ends == [1000]


async def test_the_first_task_lives_as_long_as_the_socket(stage: Stage) -> None:
    stage.receive("wait1")
    await until(lambda: stage.gates)
    stage.gates["wait1"].set_result(None)
    stage.receive("a")
    await until(lambda: len(stage.taken) == 2)
    assert not stage.task.done()
    stage.disconnect()
    await stage.task


async def test_a_frame_over_the_limit_closes(stage: Stage) -> None:
    stage.receive("x" * 11)
    stage.receive("a")
    stage.disconnect()
    await stage.task
    assert stage.taken == []
    assert [message["code"] for message in stage.socket.sent] == [1009]


async def test_a_reader_that_dies_closes_the_socket_loudly(stage: Stage) -> None:
    stage.receive("wait1")
    stage.receive("wait2")
    await until(lambda: len(stage.gates) == 2)
    stage.gates["wait2"].set_exception(RuntimeError("a bug"))
    await until(lambda: stage.ends == [1011])
    assert stage.socket.sent[-1]["code"] == 1011
    stage.gates["wait1"].set_result(None)
    stage.disconnect()
    await stage.task


async def test_a_socket_whose_task_is_cancelled_ends(stage: Stage) -> None:
    stage.receive("wait1")
    stage.receive("wait2")
    await until(lambda: len(stage.gates) == 2)
    stage.gates["wait1"].set_result(None)
    await until(stage.inbound.empty)
    stage.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stage.task
    assert stage.ends == [1011]
