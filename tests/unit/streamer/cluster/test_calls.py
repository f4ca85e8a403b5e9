"""Signed calls, against servers that answer, refuse and hang."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from streamer.cluster.calls import Caller, Gone, Unreachable
from streamer.cluster.sigv4 import Call, Key, verify
from tests.support.until import PATIENT_S

KEY = Key("AKID", "secret")


@asynccontextmanager
async def server(handler: Callable[[web.Request], Awaitable[web.Response]]) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
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


async def refused(status: int) -> BaseException:
    """What `post` makes of an answer of this status."""

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=status, headers={"location": "/elsewhere"})

    async with server(refuse) as endpoint, Caller(KEY) as caller:
        with pytest.raises((Gone, Unreachable)) as caught:
            await caller.post(endpoint, "/internal/hint", b"{}")
    return caught.value


async def test_who_is_asked_may_not_know() -> None:
    assert isinstance(await refused(410), Gone)


@pytest.mark.parametrize("status", [302, 403, 413, 429, 500, 503])
async def test_an_answer_that_is_no_success_is_told_by_its_status(status: int) -> None:
    error = await refused(status)
    assert isinstance(error, Unreachable)
    assert error.status == status


@pytest.mark.parametrize(("method", "body"), [("GET", b""), ("DELETE", b""), ("POST", b"\xff not JSON")])
async def test_any_call_is_signed_and_its_path_goes_out_as_it_is(method: str, body: bytes) -> None:
    seen: list[web.Request] = []

    async def verified(request: web.Request) -> web.Response:
        seen.append(request)
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = Call(method=method, path=request.raw_path, headers=headers, body=await request.read())
        verify([KEY], call, 1_800_000_000.0)
        return web.Response(status=429, headers={"X-Amzn-ErrorType": "LimitExceededException"}, body=call.body)

    path = "/@connections/a.b%3D%2f~%41"
    async with server(verified) as endpoint, Caller(KEY, clock=lambda: 1_800_000_000.0) as caller:
        answer = await caller.call(endpoint, method, path, body, headers={"x-hop": "1", "content-type": "text/plain"})
    assert (answer.status, answer.body, answer.headers["x-amzn-errortype"]) == (429, body, "LimitExceededException")
    assert (seen[0].method, seen[0].raw_path, seen[0].headers["x-hop"]) == (method, path, "1")
    assert "x-hop" in seen[0].headers["authorization"]


async def test_a_large_body_arrives_whole() -> None:
    async def measure(request: web.Request) -> web.Response:
        return web.Response(text=str(len(await request.read())))

    async with server(measure) as endpoint, Caller(KEY, total_s=PATIENT_S) as caller:
        assert await caller.post(endpoint, "/internal/hint", b"x" * (1 << 20)) == b"1048576"


async def test_nobody_there() -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    async with server(answer) as endpoint:
        pass
    async with Caller(KEY) as caller:
        with pytest.raises(Unreachable) as caught:
            await caller.post(endpoint, "/internal/hint", b"{}")
    assert caught.value.status is None


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
