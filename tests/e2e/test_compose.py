"""The containers: what `docker compose up` gives, over real DynamoDB Local."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.support.compose import Compose

pytestmark = [pytest.mark.compose, pytest.mark.timeout(900)]  # images are built, engines started

REPORT = {"start_date": "2024-01-01", "end_date": "2024-01-31", "format": "pdf", "report_type": "monthly"}
Frame = dict[str, Any]


@pytest.fixture(scope="module")
def built() -> Iterator[Compose]:
    with Compose() as compose:
        yield compose


@pytest.fixture
def compose(built: Compose) -> Compose:
    """One node and one worker, whatever the test before left."""
    built.up()
    return built


@asynccontextmanager
async def opened(compose: Compose, node: int = 1) -> AsyncIterator[ClientConnection]:
    headers = {"Authorization": f"Bearer {compose.token('ann', 'acme')}"}
    async with connect(compose.url(node), additional_headers=headers, proxy=None) as socket:
        yield socket


async def request(socket: ClientConnection, request_id: str, action: str, payload: Any, **options: Any) -> None:
    frame = {"id": request_id, "action": action, "payload": payload, "options": options}
    await socket.send(json.dumps(frame))


async def frames_until_outcome(socket: ClientConnection, request_ids: set[str]) -> list[Frame]:
    """Everything that comes until each of the requests has its outcome."""
    seen: list[Frame] = []
    open_ids = set(request_ids)
    while open_ids:
        frame: Frame = json.loads(await socket.recv())
        seen.append(frame)
        if frame["type"] in ("response", "complete") or frame.get("final"):
            open_ids.discard(frame["request_id"])
    return seen


async def test_a_request_is_answered_and_a_job_streams_back(compose: Compose) -> None:
    async with opened(compose) as socket:
        await request(socket, "hello", "echo", {"message": "hi"})
        (answer,) = await frames_until_outcome(socket, {"hello"})
        assert answer["type"] == "response"
        assert answer["data"]["echo"] == {"message": "hi"}

        await request(socket, "january", "generate_report", REPORT)
        first, *between, last = await frames_until_outcome(socket, {"january"})
        assert first["type"] == "acknowledgment"
        percentages = [frame["percentage"] for frame in between if frame["type"] == "progress"]
        assert percentages == sorted(percentages)
        assert percentages[-1] == 100
        assert last["type"] == "complete"
        assert set(last["result"]) >= {"url", "size", "rows"}


async def test_workers_and_nodes_share_the_work(compose: Compose) -> None:
    compose.up(app=2, worker=3)
    async with opened(compose, 1) as one, opened(compose, 2) as other:
        waves = 0
        while not all(compose.completed(index) for index in (1, 2, 3)):
            assert waves < 5, "some worker never got anything"
            waves += 1
            await asyncio.gather(wave(one, f"one-{waves}"), wave(other, f"other-{waves}"))


async def wave(socket: ClientConnection, name: str) -> None:
    request_ids = {f"{name}-{number}" for number in range(30)}
    for request_id in request_ids:
        await request(socket, request_id, "echo_async", {"of": request_id, "duration_s": 0.5})
    outcomes = [f for f in await frames_until_outcome(socket, request_ids) if f["type"] in ("complete", "error")]
    assert sorted(frame["request_id"] for frame in outcomes if frame["type"] == "complete") == sorted(request_ids)


async def test_what_was_acknowledged_survives_a_restart(compose: Compose) -> None:
    finished, waiting = {"of": "finished", "duration_s": 0}, {"of": "waiting", "duration_s": 0}
    async with opened(compose) as socket:
        await request(socket, "finished", "echo_async", finished)
        before = (await frames_until_outcome(socket, {"finished"}))[-1]
        await request(socket, "waiting", "echo_async", waiting, delay_seconds=20)
        assert json.loads(await socket.recv())["type"] == "acknowledgment"

    compose.run("restart")
    compose.up()

    async with opened(compose) as socket:
        await request(socket, "finished", "echo_async", finished)
        again, *_, after = await frames_until_outcome(socket, {"finished"})
        assert again["state"] == "COMPLETED"
        assert {**after, "timestamp": None} == {**before, "timestamp": None}
        await request(socket, "waiting", "echo_async", waiting, delay_seconds=20)
        assert (await frames_until_outcome(socket, {"waiting"}))[-1]["type"] == "complete"


async def test_processes_are_nobody_on_a_read_only_disk(compose: Compose) -> None:
    for service in ("app", "worker"):
        assert compose.execute(service, "id", "-u").strip() == "10001"
        with pytest.raises(AssertionError, match="Read-only file system"):
            compose.execute(service, "touch", "/opt/streamer/mark")


async def test_every_service_is_watched_and_stops_with_grace(compose: Compose) -> None:
    health = {container.service: container.health for container in compose.containers()}
    assert health["app"] == health["worker"] == health["dynamodb"] == "healthy"
    compose.run("stop", "app", "worker")
    codes = {container.service: container.exit_code for container in compose.containers()}
    assert (codes["app"], codes["worker"], codes["tables"]) == (0, 0, 0)
