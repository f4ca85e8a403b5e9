"""The internal listener."""

import asyncio
import socket

import aiohttp
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from streamer.cluster.listener import Listener
from streamer.errors import ConfigurationError


async def hello(_: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


async def test_it_serves_until_it_is_cancelled() -> None:
    listener = Listener("127.0.0.1", 0, setting="STREAMER_INTERNAL_PORT")
    serving = asyncio.create_task(listener.serve(Starlette(routes=[Route("/", hello)])))
    url = f"http://127.0.0.1:{listener.port}/"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        assert await answer.text() == "hello"
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    listener.close()
    async with aiohttp.ClientSession() as http:
        with pytest.raises(aiohttp.ClientConnectorError):
            await http.get(url)


def test_a_port_that_is_taken_is_named_with_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"STREAMER_WORKER_PORT: 127.0.0.1:{port} is not free"):
            Listener("127.0.0.1", port, setting="STREAMER_WORKER_PORT")


def test_its_connections_send_without_waiting_for_acknowledgments() -> None:
    listener = Listener("::1", 0, setting="STREAMER_INTERNAL_PORT")
    assert listener._socket.proto == socket.IPPROTO_TCP
    listener.close()
