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
from tests.support.until import until

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]  # images are built, engines started

NODES: Final = range(1, 4)
WORKERS: Final = range(1, 3)
PROGRAMS: Final = 200
AT_A_TIME: Final = 10  # programs that start together
CHUNKS: Final = 10  # of the output of a job
ROWS: Final = 12  # of a chunk
PATIENT_S: Final = 240  # for a job of 35 to 54 s that begins anew now and then

SETTINGS: Final = {
    "STREAMER_GRACE_S": "10",  # most jobs take longer, and are handed over
    "STREAMER_WORKER_SLOTS": str(PROGRAMS),  # one worker has room for everything while the other is away
    "STREAMER_PROGRESS_PERSIST_MS": "60000",  # DynamoDB Local writes a hundred items a second: output needs them
}
PROCESS: Final = {
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
        self.is_served = False  # a job of it was acknowledged
        self.retries = 0
        self.nodes: set[str] = set()  # those that it was connected to
        self._duration_s = 35 + number % 20

    async def run(self, url: str, token: str, enough: asyncio.Event) -> None:
        """Any error that the client lets through ends it."""
        async with connect(url, token) as session:
            for number in itertools.count():
                dataset = f"{self.name}.{number}"
                answer = await session.call("echo", dataset, timeout_s=PATIENT_S)
                assert answer["echo"] == dataset
                async with asyncio.timeout(PATIENT_S):
                    await self._process(session, dataset)
                if enough.is_set():
                    return

    async def _process(self, session: Session, dataset: str) -> None:
        payload = {"dataset_id": dataset, "operation": "sum", "duration_s": self._duration_s}
        output: list[Any] = []
        outcomes: list[Completed] = []
        async for event in session.submit("process_data", payload, id=dataset):
            self.nodes.add(session.welcome.node_id)
            match event:
                case Acknowledged():
                    self.is_served = True
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
    with Compose(OVERRIDE) as compose, ThreadPoolExecutor(1) as aside:  # which ends what it does before all is removed
        compose.up(app=len(NODES), worker=len(WORKERS))
        token = compose.token("ann", "acme")
        async with Switch(urls(compose)) as switch, asyncio.TaskGroup() as group:
            for some in batches(programs):
                for program in some:
                    group.create_task(program.run(switch.url, token, enough), name=program.name)
                await served(some)
            await restart_all(compose, aside, switch)
            enough.set()
        nodes = [compose.events("app", index) for index in NODES]
        workers = [compose.events("worker", index) for index in WORKERS]

    assert all(len(program.nodes) > 1 for program in programs)
    assert any(program.retries for program in programs)
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    for events in (*nodes, *workers):
        assert not [event for event in events if event["level"] in ("error", "critical")]
    for events in nodes:
        check_that_sockets_were_spread(events)


async def restart_all(compose: Compose, aside: ThreadPoolExecutor, switch: Switch) -> None:
    """The balancer is told where a node is when it is healthy again, and not when it leaves."""
    loop = asyncio.get_running_loop()
    for index in NODES:
        assert await loop.run_in_executor(aside, compose.restart, "app", index) == 0
        switch.point_to(await loop.run_in_executor(aside, urls, compose))
    for index in WORKERS:
        assert await loop.run_in_executor(aside, compose.restart, "worker", index) == 0


def batches(programs: Sequence[Program]) -> Iterator[Sequence[Program]]:
    for start in range(0, len(programs), AT_A_TIME):
        yield programs[start : start + AT_A_TIME]


async def served(programs: Sequence[Program]) -> None:
    """Returns when each of these has a job under way."""
    await until(lambda: all(program.is_served for program in programs), timeout_s=60, what="all are served")


def urls(compose: Compose) -> Sequence[str]:
    return [compose.url(index) for index in NODES]


def check_that_sockets_were_spread(events: Sequence[dict[str, Any]]) -> None:
    """No tenth of the window in which a node let its clients go holds more than a quarter of the closes."""
    (draining,) = [event for event in events if event["event"] == "draining"]
    (drained,) = [event for event in events if event["event"] == "drained"]
    end_of_life = itertools.takewhile(lambda event: event["event"] != "listening", events[events.index(draining) :])
    tenths = Counter(
        int(10 * (moment(event) - moment(draining)) / draining["window_s"])
        for event in end_of_life
        if event["event"] == "connection_closed"
    )
    assert tenths.total() >= draining["connections"] > 0
    assert max(tenths.values()) <= tenths.total() / 4, tenths
    assert (drained["stopped"], drained["cut"]) == (0, 0)


def moment(event: dict[str, Any]) -> float:
    """When it was logged, in Unix seconds."""
    return datetime.fromisoformat(event["timestamp"]).timestamp()
