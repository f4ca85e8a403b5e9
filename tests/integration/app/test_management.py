"""Pushing to a client with boto3's own `apigatewaymanagementapi` client, through a node that does not have it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]  # its stubs know DynamoDB only
import orjson
import pytest
from botocore.config import Config

from streamer.cluster.registry import APP
from streamer.cluster.sigv4 import Key
from streamer.protocol.codes import Close
from tests.integration.app.house import KEY, Client, House, house
from tests.support.until import PATIENT_S, until

ONCE = Config(retries={"max_attempts": 0}, read_timeout=PATIENT_S, connect_timeout=PATIENT_S)
LARGEST = 131_072


class BackEnd:
    """Another service: boto3's client of one node. It blocks, so each call is made in a thread."""

    def __init__(self, node: House, *, key: Key = KEY, path: str = "") -> None:
        self.api: Any = boto3.client(
            "apigatewaymanagementapi",
            endpoint_url=node.node.internal_url + path,
            region_name="eu-central-1",
            aws_access_key_id=key.key_id,
            aws_secret_access_key=key.secret,
            config=ONCE,
        )

    async def post(self, to: str, data: bytes) -> None:
        await asyncio.to_thread(self.api.post_to_connection, ConnectionId=to, Data=data)

    async def get(self, connection_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = await asyncio.to_thread(self.api.get_connection, ConnectionId=connection_id)
        return answer

    async def delete(self, connection_id: str) -> None:
        await asyncio.to_thread(self.api.delete_connection, ConnectionId=connection_id)

    async def finds(self, connection_id: str) -> bool:
        try:
            await self.get(connection_id)
        except self.api.exceptions.GoneException:
            return False
        return True

    def before(self, step: str, hook: Callable[..., None]) -> None:
        self.api.meta.events.register(f"{step}.apigatewaymanagementapi", hook)


@asynccontextmanager
async def service(node: House, **options: Any) -> AsyncIterator[BackEnd]:
    opened = await asyncio.to_thread(BackEnd, node, **options)
    try:
        yield opened
    finally:
        opened.api.close()


@pytest.fixture
async def near(tmp_path: Path) -> AsyncIterator[House]:
    """The node that is called."""
    async with house(tmp_path) as opened:
        yield opened


@pytest.fixture
async def far(tmp_path: Path) -> AsyncIterator[House]:
    """The node that has the clients, on the same store."""
    async with house(tmp_path) as opened:
        await registered(opened)
        yield opened


@pytest.fixture
async def back_end(near: House) -> AsyncIterator[BackEnd]:
    async with service(near) as opened:
        yield opened


@pytest.fixture
async def client(far: House) -> Client:
    return await far.client(v1=True)


def id_of(client: Client) -> str:
    connection_id: str = client.seen[0]["connection_id"]
    return connection_id


def news(size: int = 0) -> bytes:
    empty = len(orjson.dumps({"type": "news", "text": ""}))
    return orjson.dumps({"type": "news", "text": "x" * (size - empty)})


async def registered(node: House) -> None:
    """Waits until the other nodes can know of it."""

    async def is_listed() -> bool:
        return node.node.node_id in {row.node_id for row in await node.store.nodes.list(APP)}

    await until(is_listed)


async def posts_until_refused(back_end: BackEnd, client: Client) -> int:
    """How many were taken before the client read too slowly."""
    accepted = 0
    while True:
        try:
            await back_end.post(id_of(client), news(LARGEST))
        except back_end.api.exceptions.LimitExceededException:
            return accepted
        accepted += 1


async def test_what_is_posted_to_any_node_reaches_the_client(back_end: BackEnd, client: Client) -> None:
    await back_end.post(id_of(client), news())
    assert await client.next() == {"type": "news", "text": ""}


async def test_the_node_that_has_the_client_may_be_called_too_and_under_a_stage(far: House, client: Client) -> None:
    async with service(far, path="/prod") as back_end:
        await back_end.post(id_of(client), news())
    assert await client.next() == {"type": "news", "text": ""}


async def test_a_plain_client_gets_what_was_posted_as_it_is(back_end: BackEnd, far: House) -> None:
    plain = await far.client()
    (connection,) = far.node.hub
    await back_end.post(connection.connection_id, b"no JSON at all")
    assert await plain.socket.recv() == "no JSON at all"


async def test_data_of_128_kib_arrive_whole(back_end: BackEnd, client: Client) -> None:
    await back_end.post(id_of(client), news(LARGEST))
    assert len((await client.next())["text"]) > LARGEST - 100


async def test_a_connection_tells_who_it_is(back_end: BackEnd, client: Client, far: House) -> None:
    await until(lambda: far.store.connections.get(id_of(client)))
    described = await back_end.get(id_of(client))
    assert abs(described["ConnectedAt"] - datetime.now(UTC)) < timedelta(seconds=2 * PATIENT_S)
    assert described["LastActiveAt"] >= described["ConnectedAt"]
    assert described["Identity"]["SourceIp"] == "127.0.0.1"
    assert "websockets" in described["Identity"]["UserAgent"]


async def test_a_connection_is_closed_from_afar_and_then_gone(back_end: BackEnd, client: Client) -> None:
    await back_end.delete(id_of(client))
    assert await client.closed() == Close.NORMAL
    for call in (back_end.delete, back_end.get):
        with pytest.raises(back_end.api.exceptions.GoneException):
            await call(id_of(client))


async def test_a_client_that_left_is_gone(back_end: BackEnd, client: Client) -> None:
    assert await back_end.finds(id_of(client))
    await client.socket.close()

    async def is_gone() -> bool:
        return not await back_end.finds(id_of(client))

    await until(is_gone)
    with pytest.raises(back_end.api.exceptions.GoneException) as raised:
        await back_end.post(id_of(client), news())
    assert raised.value.response["Error"]["Message"]


@pytest.mark.parametrize("name", ["L0SM9cOFvHcCIhw=", "a/b", "ä ~+%25@", "x" * 3_000])
async def test_an_id_of_another_kind_is_gone_whatever_it_is_made_of(back_end: BackEnd, name: str) -> None:
    assert not await back_end.finds(name)


async def test_a_client_whose_node_left_is_gone(tmp_path: Path, near: House, back_end: BackEnd) -> None:
    async with house(tmp_path) as leaving:
        await registered(leaving)
        client = await leaving.client(v1=True)
        assert await back_end.finds(id_of(client))
    with pytest.raises(back_end.api.exceptions.GoneException):
        await back_end.post(id_of(client), news())
    assert near.node.health.unready is None


async def test_a_client_that_came_back_on_another_node_is_found_under_its_id(
    near: House, far: House, client: Client
) -> None:
    await registered(near)
    await client.socket.close()
    returned = await near.client(v1=True)
    await returned.send(type="resume", connection_id=id_of(client), n=1, requests=[])
    assert (await returned.next("resumed"))["connection_id"] == id_of(client)
    async with service(far) as back_end:
        await back_end.post(id_of(client), news())
        assert (await returned.next())["type"] == "news"
        with pytest.raises(back_end.api.exceptions.GoneException):
            await back_end.post(id_of(returned), news())


@pytest.mark.parametrize("size", [LARGEST + 1, 5_000_000])
async def test_too_much_data_are_refused(back_end: BackEnd, client: Client, size: int) -> None:
    with pytest.raises(back_end.api.exceptions.PayloadTooLargeException):
        await back_end.post(id_of(client), b"x" * size)
    assert await client.is_silent()


async def test_a_client_that_does_not_read_costs_the_caller_and_keeps_its_connection(
    back_end: BackEnd, client: Client
) -> None:
    client.socket.transport.pause_reading()
    accepted = await posts_until_refused(back_end, client)
    client.socket.transport.resume_reading()
    assert [(await client.next())["type"] for _ in range(accepted)] == ["news"] * accepted
    assert (await client.ask(action="echo"))["type"] == "response"


async def test_who_does_not_have_the_key_is_forbidden(near: House, client: Client) -> None:
    for key in (Key(KEY.key_id, "guessed"), Key("outside", KEY.secret)):
        async with service(near, key=key) as stranger:
            for call in (stranger.post(id_of(client), news()), stranger.get("x"), stranger.delete(id_of(client))):
                with pytest.raises(stranger.api.exceptions.ForbiddenException):
                    await call
    assert await client.is_silent()


async def test_what_was_changed_on_its_way_is_forbidden(back_end: BackEnd, client: Client) -> None:
    def tamper(request: Any, **_: Any) -> None:
        request.body = request.body.replace(b"news", b"lies")

    back_end.before("before-send", tamper)
    with pytest.raises(back_end.api.exceptions.ForbiddenException):
        await back_end.post(id_of(client), news())
    assert await client.is_silent()


async def test_what_was_signed_too_long_ago_is_forbidden(
    back_end: BackEnd, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed_at = datetime.fromtimestamp(time.time() - 301, UTC)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: signed_at)
    with pytest.raises(back_end.api.exceptions.ForbiddenException):
        await back_end.post(id_of(client), news())
    assert await client.is_silent()
