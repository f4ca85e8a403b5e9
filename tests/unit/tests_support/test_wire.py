"""A client of tests that hears what the contract does not allow lets no test pass."""

from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.server import ServerConnection, serve

from tests.support.ledger import Ledger
from tests.support.until import until
from tests.support.wire import WireClient


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """A server whose pong is none."""

    async def answer(socket: ServerConnection) -> None:
        async for _ in socket:
            await socket.send('{"type": "pong"}')

    async with serve(answer, "127.0.0.1", 0) as server:
        yield f"http://127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"


async def test_it_fails_who_waits_for_a_frame(url: str) -> None:
    with pytest.raises(AssertionError, match="the contract of pong is broken"):
        await waited_in_vain(url)


async def test_it_fails_who_only_leaves(url: str) -> None:
    client = WireClient(url, Ledger(), "c1", plain=True)
    await client.__aenter__()
    await client.send({"type": "ping"})
    await until(lambda: client.frames)
    with pytest.raises(AssertionError, match="the contract of pong is broken"):
        await client.__aexit__(None, None, None)


async def test_what_a_test_says_wrong_on_purpose_is_let_pass(url: str) -> None:
    client = WireClient(url, Ledger(), "c1", plain=True)
    await client.__aenter__()
    with pytest.raises(AssertionError):
        await client.send({"type": "nonsense"})
    await client.send({"type": "nonsense"}, is_valid=False)
    await until(lambda: client.frames)
    with pytest.raises(AssertionError, match="the contract of pong is broken"):
        await client.cut()


async def waited_in_vain(url: str) -> None:
    async with WireClient(url, Ledger(), "c1", plain=True) as client:
        await client.send({"type": "ping"})
        await client.expect("complete")
