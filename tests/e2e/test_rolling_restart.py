"""A deploy: three nodes and two workers restart one after the other, and two hundred programs that use them do not
notice."""

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Final
from zlib import crc32

import pytest

from streamer.client import Acknowledged, Chunk, Completed, Failed, Retrying, Session, connect
from tests.support.compose import Compose
from tests.support.switch import Switch

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]  # images are built, engines started

NODES: Final = 3
WORKERS: Final = 2
PROGRAMS: Final = 200
AT_A_TIME: Final = 10  # programs that start together
CHUNKS: Final = 10  # of the output of a job
ROWS: Final = 12  # of a chunk
SETTINGS: Final = {
    "STREAMER_WORKER_SLOTS": str(PROGRAMS),  # one worker has room for everything while the other is away
    "STREAMER_PROGRESS_PERSIST_MS": "60000",  # DynamoDB Local writes a hundred items a second: output needs them
}
PROCESS: Final[Mapping[str, Any]] = {
    "environment": SETTINGS,
    "healthcheck": {"interval": "10s", "retries": 10},  # each costs half a second of a core
}
OVERRIDE: Final[Mapping[str, Mapping[str, Any]]] = {
    "app": PROCESS,
    "worker": PROCESS,
    "dynamodb": {"volumes": [{"type": "tmpfs", "target": "/data"}]},  # twice as fast as a disk
}


class Program:
    """Has one data set processed after the other. It knows nothing of nodes, workers and sockets."""

    def __init__(self, number: int) -> None:
        self.name = f"program-{number}"
        self.served = asyncio.Event()  # a job of it was acknowledged
        self.completed = 0
        self.retries = 0
        self.nodes: set[str] = set()  # those that it was connected to
        self._duration_s = 35 + number % 20

    async def run(self, url: str, token: str, enough: asyncio.Event) -> None:
        """Any error that the client lets through ends it."""
        async with connect(url, token) as session:
            while not enough.is_set():
                dataset = f"{self.name}.{self.completed}"
                assert (await session.call("echo", dataset))["echo"] == dataset
                await self._process(session, dataset)
                self.completed += 1

    async def _process(self, session: Session, dataset: str) -> None:
        payload = {"dataset_id": dataset, "operation": "sum", "duration_s": self._duration_s}
        output: list[Any] = []
        outcomes: list[Completed] = []
        async for event in session.submit("process_data", payload, id=dataset):
            self.nodes.add(session.welcome.node_id)
            match event:
                case Acknowledged():
                    self.served.set()
                case Chunk():
                    assert event.index == len(output)
                    output.append(event.data)
                case Retrying():
                    self.retries += 1
                    del output[event.continues_from :]
                case Failed():
                    raise event.error.as_exception()
                case Completed():
                    outcomes.append(event)
        assert output == list(processed(dataset))
        assert [outcome.chunks for outcome in outcomes] == [CHUNKS]


def processed(dataset: str) -> Iterator[dict[str, Any]]:
    """The output of `process_data`, chunk by chunk."""
    for chunk in range(CHUNKS):
        numbers = range(chunk * ROWS, (chunk + 1) * ROWS)
        yield {"rows": [{"id": number, "value": value(dataset, number)} for number in numbers]}


def value(dataset: str, number: int) -> float:
    return crc32(f"{dataset} sum {number}".encode()) % 10_000 / 100


async def test_a_rolling_restart_under_load(caplog: pytest.LogCaptureFixture) -> None:
    programs = [Program(number) for number in range(PROGRAMS)]
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()
    with Compose(OVERRIDE) as compose, ThreadPoolExecutor(1) as aside:
        compose.up(app=NODES, worker=WORKERS)
        token = compose.token("ann", "acme")
        async with Switch(urls(compose)) as switch, asyncio.TaskGroup() as group:
            await start(group, programs, switch.url, token, enough)
            for index in range(1, NODES + 1):
                assert await loop.run_in_executor(aside, compose.restart, "app", index) == 0
                switch.point_to(await loop.run_in_executor(aside, urls, compose))
            for index in range(1, WORKERS + 1):
                assert await loop.run_in_executor(aside, compose.restart, "worker", index) == 0
            enough.set()
        nodes = [compose.events("app", index) for index in range(1, NODES + 1)]
        workers = [compose.events("worker", index) for index in range(1, WORKERS + 1)]

    assert all(len(program.nodes) > 1 for program in programs)
    assert any(program.retries for program in programs)
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    for events in (*nodes, *workers):
        assert not [event for event in events if event["level"] in ("error", "critical")]
    for events in nodes:
        check_that_sockets_were_spread(events)


async def start(
    group: asyncio.TaskGroup, programs: Sequence[Program], url: str, token: str, enough: asyncio.Event
) -> None:
    """A few at a time, as they come in life; returns when each has a job under way."""
    for number in range(0, len(programs), AT_A_TIME):
        some = programs[number : number + AT_A_TIME]
        for program in some:
            group.create_task(program.run(url, token, enough), name=program.name)
        for program in some:
            await program.served.wait()


def urls(compose: Compose) -> Sequence[str]:
    return [compose.url(index) for index in range(1, NODES + 1)]


def check_that_sockets_were_spread(events: Sequence[dict[str, Any]]) -> None:
    """No tenth of the window in which a node let its clients go holds more than a quarter of the closes."""
    (draining,) = [event for event in events if event["event"] == "draining"]
    (drained,) = [event for event in events if event["event"] == "drained"]
    leaving = itertools.takewhile(lambda event: event is not drained, events[events.index(draining) :])
    tenths = Counter(
        int(10 * (moment(event) - moment(draining)) / draining["window_s"])
        for event in leaving
        if event["event"] == "connection_closed"
    )
    assert tenths.total() >= draining["connections"] > 0
    assert max(tenths.values()) <= tenths.total() / 4, tenths
    assert (drained["stopped"], drained["cut"]) == (0, 0)


def moment(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["timestamp"]).timestamp()
