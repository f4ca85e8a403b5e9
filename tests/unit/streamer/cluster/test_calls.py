"""A signed POST, against servers that answer, refuse and hang."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from streamer.cluster.calls import Caller, Gone, Unreachable
from streamer.cluster.sigv4 import Call, Key, verify

KEY = Key("AKID", "secret")


@asynccontextmanager
async def server(handler: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/internal/hint", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


async def test_the_call_is_signed_and_its_answer_given() -> None:
    async def echo(request: web.Request) -> web.Response:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        verify([KEY], Call(method="POST", path=request.raw_path, headers=headers, body=body), 1_800_000_000.0)
        return web.Response(body=body)

    async with server(echo) as endpoint, Caller(KEY, clock=lambda: 1_800_000_000.0) as caller:
        assert await caller.post(endpoint, "/internal/hint", b'{"jobs":[]}') == b'{"jobs":[]}'


@pytest.mark.parametrize(("status", "error"), [(410, Gone), (403, Unreachable), (500, Unreachable)])
async def test_an_answer_that_is_no_success(status: int, error: type[Exception]) -> None:
    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status)

    async with server(refuse) as endpoint, Caller(KEY) as caller:
        with pytest.raises(error):
            await caller.post(endpoint, "/internal/hint", b"{}")


async def test_nobody_there() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    async with server(answer) as endpoint:
        pass
    async with Caller(KEY) as caller:
        with pytest.raises(Unreachable):
            await caller.post(endpoint, "/internal/hint", b"{}")


async def test_somebody_who_hangs() -> None:
    release = asyncio.Event()

    async def hang(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    async with server(hang) as endpoint, Caller(KEY, total_s=0.05) as caller:
        with pytest.raises(Unreachable):
            await caller.post(endpoint, "/internal/hint", b"{}")
        release.set()


async def test_a_caller_that_is_not_open_reaches_nobody() -> None:
    caller = Caller(KEY)
    with pytest.raises(Unreachable):
        await caller.post("http://127.0.0.1:1", "/internal/hint", b"{}")
    await caller.__aexit__(None, None, None)
