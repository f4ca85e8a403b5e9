import asyncio
import socket

import pytest

from streamer.client import CannotConnect, HandshakeRefused, connect
from tests.integration.client.fake_node import FakeNode


async def test_it_offers_the_version_and_its_token_and_is_welcomed() -> None:
    async with FakeNode().running() as node, connect(node.url, "the.jwt") as session:
        assert session.connection_id == "boot.abc"
        assert session.welcome.limits["in_flight"] == 64
    assert node.headers[0]["Authorization"] == "Bearer the.jwt"
    assert node.headers[0]["Sec-WebSocket-Protocol"] == "streamer.v1"


async def test_without_a_token_it_sends_none() -> None:
    async with FakeNode().running() as node, connect(node.url):
        assert "Authorization" not in node.headers[0]


async def test_a_refusal_has_the_servers_code() -> None:
    node = FakeNode()
    node.refusal = (401, '{"error": "The token has expired.", "code": "UNAUTHORIZED"}', {})
    async with node.running():
        with pytest.raises(HandshakeRefused) as refused:
            await connect(node.url).__aenter__()
    assert (refused.value.code, refused.value.status) == ("UNAUTHORIZED", 401)


async def test_nobody_listening_is_one_sentence() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: refuses
        with pytest.raises(CannotConnect, match=r"Cannot connect to ws://127.*nobody listens"):
            await connect(f"ws://127.0.0.1:{taken.getsockname()[1]}").__aenter__()


async def test_something_that_is_not_a_node_is_one_sentence() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"220 smtp ready\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        with pytest.raises(CannotConnect):
            await connect(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}").__aenter__()


async def test_a_node_that_says_nothing_is_given_up() -> None:
    async with FakeNode(first=None).running() as node:
        with pytest.raises(CannotConnect, match=r"did not answer within 0\.2 s"):
            await connect(node.url, open_timeout_s=0.2).__aenter__()


@pytest.mark.parametrize(
    "node",
    [
        FakeNode(subprotocols=()),
        FakeNode(first={"type": "hello"}),
        FakeNode(first="not json"),
        FakeNode(first="[]"),
    ],
    ids=["no subprotocol", "no welcome", "no json", "no object"],
)
async def test_a_server_of_another_kind_is_refused(node: FakeNode) -> None:
    async with node.running():
        with pytest.raises(CannotConnect, match=r"does not speak streamer\.v1"):
            await connect(node.url).__aenter__()


async def test_a_node_that_closes_at_once_is_no_connection() -> None:
    class Leaving(FakeNode):
        async def say(self, *frames: object) -> None:  # noqa: ARG002  # says nothing
            await self.socket.close(1012, "restart")

    async with Leaving().running() as node:
        with pytest.raises(CannotConnect, match="1012: restart"):
            await connect(node.url).__aenter__()


async def test_a_token_that_cannot_be_made_is_one_sentence() -> None:
    def make() -> str:
        raise OSError("no route to the issuer")

    async with FakeNode().running() as node:
        with pytest.raises(CannotConnect, match=r"There is no token: OSError.*no route"):
            await connect(node.url, make).__aenter__()
    assert node.headers == []


async def test_a_token_that_does_not_come_is_given_up() -> None:
    async def make() -> str:
        await asyncio.Event().wait()
        return "never"

    async with FakeNode().running() as node:
        with pytest.raises(CannotConnect, match=r"no token within 0\.1 s"):
            await connect(node.url, make, open_timeout_s=0.1).__aenter__()
