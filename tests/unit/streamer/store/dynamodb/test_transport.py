import asyncio
import gc

import pytest

from streamer.errors import StoreUnavailable
from streamer.store.dynamodb import client as clients
from streamer.store.dynamodb.client import Client
from tests.support.dynamodb_local import environment


class Deaf:
    """Takes requests and answers none."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.connections = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        await reader.readuntil(b"\r\n\r\n")
        self.asked.set()
        await reader.read()
        writer.close()


async def test_a_call_that_is_cut_off_by_the_end_does_not_begin_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is tried again, as the connection was lost; that connection would be nobody's."""
    deaf = Deaf()
    async with await asyncio.start_server(deaf, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for name, value in environment(url).items():
            monkeypatch.setenv(name, value)
        async with clients.connected(clients.CALLS) as send:
            call = asyncio.create_task(Client(send).call("list_tables", "list_tables", {}))
            await deaf.asked.wait()
        with pytest.raises(StoreUnavailable) as raised:
            await call
        assert isinstance(raised.value.__cause__, ConnectionError)
        assert deaf.connections == 1
    gc.collect()  # a connection that was left open would be told here
