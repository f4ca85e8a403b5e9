import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web

from tests.support.fault_proxy import ANY, Answer, Delay, DropAnswer, FaultProxy, Hang, Reset
from tests.support.until import until


@dataclass
class Upstream:
    """A server that remembers what it was asked."""

    url: str = ""
    asked: list[tuple[str, bytes]] = field(default_factory=list)

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        body = await request.read()
        self.asked.append((request.path, body))
        if request.path == "/chunked":
            return await self._chunked(request)
        if request.path == "/nothing":
            return web.Response(status=204)
        answer = web.Response(body=b"answer to " + body)
        if request.path == "/last":
            answer.force_close()
        return answer

    async def _chunked(self, request: web.BaseRequest) -> web.StreamResponse:
        answer = web.StreamResponse()
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        for part in (b"a" * 70_000, b"b"):
            await answer.write(part)
        await answer.write_eof()
        return answer


@pytest.fixture
async def upstream() -> AsyncIterator[Upstream]:
    made = Upstream()
    server = web.Server(made.answer)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


@pytest.fixture
async def proxy(upstream: Upstream) -> AsyncIterator[FaultProxy]:
    async with FaultProxy(upstream.url) as started:
        yield started


@pytest.fixture
async def client(proxy: FaultProxy) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(limit=1)
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(proxy.url, connector=connector, timeout=timeout) as session:
        yield session


async def call(client: aiohttp.ClientSession, operation: str, body: bytes = b"x") -> bytes:
    target = {"x-amz-target": f"DynamoDB_20120810.{operation}"}
    async with client.post("/", data=body, headers=target) as answer:
        return await answer.read()


async def test_calls_pass_unchanged_on_one_connection(
    client: aiohttp.ClientSession, proxy: FaultProxy, upstream: Upstream
) -> None:
    assert [await call(client, "GetItem", b"%d" % number) for number in range(3)] == [
        b"answer to 0",
        b"answer to 1",
        b"answer to 2",
    ]
    assert len(proxy._clients) == 1
    assert proxy.calls == proxy.applied == {"GetItem": 3}
    assert upstream.asked == [("/", b"0"), ("/", b"1"), ("/", b"2")]


@pytest.mark.parametrize("path", ["/deliver", "/chunked", "/nothing", "/last"])
async def test_a_path_is_an_operation_whatever_the_answer_looks_like(
    client: aiohttp.ClientSession, proxy: FaultProxy, path: str
) -> None:
    for _ in range(2):
        async with client.post(f"{path}?q=1", data=b"x") as answer:
            body = await answer.read()
        assert answer.status == (204 if path == "/nothing" else 200)
        assert len(body) == {"/chunked": 70_001, "/nothing": 0}.get(path, 11)
    assert proxy.calls == {path: 2}


async def test_a_chunked_request(client: aiohttp.ClientSession, upstream: Upstream) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two" * 40_000

    async with client.post("/", data=parts()) as answer:
        assert await answer.read() == b"answer to one" + b"two" * 40_000
    assert upstream.asked == [("/", b"one" + b"two" * 40_000)]


async def test_a_head_request_has_no_body(client: aiohttp.ClientSession) -> None:
    async with client.head("/") as answer:
        assert answer.status == 200
    assert await call(client, "GetItem") == b"answer to x"


async def test_only_the_chosen_call_is_reset(
    client: aiohttp.ClientSession, proxy: FaultProxy, upstream: Upstream
) -> None:
    rule = proxy.on("UpdateItem", Reset(), call=2)
    await call(client, "UpdateItem", b"1")
    await call(client, "GetItem", b"other")
    with pytest.raises(aiohttp.ClientConnectionError):
        await call(client, "UpdateItem", b"2")
    await call(client, "UpdateItem", b"3")
    assert [body for _, body in upstream.asked] == [b"1", b"other", b"3"]
    assert (rule.seen, rule.hits) == (3, 1)
    assert proxy.calls["UpdateItem"] == 3
    assert proxy.applied["UpdateItem"] == 2


async def test_from_a_call_on_until_cleared(client: aiohttp.ClientSession, proxy: FaultProxy) -> None:
    rule = proxy.on(ANY, Reset(), call=2, onwards=True)
    await call(client, "A")
    for operation in ("B", "C"):
        with pytest.raises(aiohttp.ClientConnectionError):
            await call(client, operation)
    proxy.clear()
    assert await call(client, "D") == b"answer to x"
    assert rule.hits == 2


async def test_one_rule_is_taken_back_and_the_others_stay(client: aiohttp.ClientSession, proxy: FaultProxy) -> None:
    put, update = (proxy.on(operation, Reset(), onwards=True) for operation in ("PutItem", "UpdateItem"))
    proxy.off(put)
    proxy.off(put)
    assert await call(client, "PutItem") == b"answer to x"
    with pytest.raises(aiohttp.ClientError):
        await call(client, "UpdateItem")
    assert (put.hits, update.hits) == (0, 1)


async def test_a_fault_that_happens_by_chance(client: aiohttp.ClientSession, proxy: FaultProxy) -> None:
    throws = [False, True, False]
    rule = proxy.on(ANY, Answer(500), onwards=True, odds=lambda: throws.pop(0))
    answers = [await call(client, "GetItem") for _ in range(3)]
    assert [answer == b"answer to x" for answer in answers] == [True, False, True]
    assert (rule.seen, rule.hits) == (3, 1)


async def test_a_dropped_answer_was_applied(
    client: aiohttp.ClientSession, proxy: FaultProxy, upstream: Upstream
) -> None:
    proxy.on("PutItem", DropAnswer())
    with pytest.raises(aiohttp.ClientConnectionError):
        await call(client, "PutItem", b"lost")
    assert upstream.asked == [("/", b"lost")]
    assert proxy.applied["PutItem"] == 1


async def test_an_answer_of_its_own(client: aiohttp.ClientSession, proxy: FaultProxy, upstream: Upstream) -> None:
    proxy.on("PutItem", Answer(400, "ThrottlingException"))
    async with client.post("/", data=b"x", headers={"x-amz-target": "D.PutItem"}) as answer:
        assert answer.status == 400
        assert answer.headers["x-amzn-ErrorType"] == "ThrottlingException"
        assert (await answer.json(content_type=None))["__type"].endswith("#ThrottlingException")
    assert upstream.asked == []
    assert await call(client, "PutItem") == b"answer to x"
    assert len(proxy._clients) == 1


async def test_a_hanging_call_never_arrives(
    client: aiohttp.ClientSession, proxy: FaultProxy, upstream: Upstream
) -> None:
    rule = proxy.on("PutItem", Hang())
    waiting = asyncio.create_task(call(client, "PutItem"), name="hanging")
    await until(lambda: rule.hits)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await until(lambda: not proxy._clients)
    assert upstream.asked == []
    assert await call(client, "PutItem") == b"answer to x"


async def test_a_delayed_call_arrives(client: aiohttp.ClientSession, proxy: FaultProxy) -> None:
    proxy.on("PutItem", Delay(0.01))
    assert await call(client, "PutItem") == b"answer to x"


async def test_a_silent_cut_holds_calls_until_healed(
    client: aiohttp.ClientSession, proxy: FaultProxy, upstream: Upstream
) -> None:
    proxy.cut()
    waiting = asyncio.create_task(call(client, "PutItem"), name="held")
    await until(lambda: proxy.calls["PutItem"])
    assert upstream.asked == []
    proxy.heal()
    assert await waiting == b"answer to x"


async def test_a_call_whose_caller_left_during_the_cut_is_not_made(
    client: aiohttp.ClientSession, proxy: FaultProxy, upstream: Upstream
) -> None:
    proxy.cut()
    waiting = asyncio.create_task(call(client, "PutItem", b"abandoned"), name="abandoned")
    await until(lambda: proxy.calls["PutItem"])
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    proxy.heal()
    assert await call(client, "GetItem", b"new") == b"answer to new"
    await until(lambda: len(proxy._clients) == 1)
    assert [body for _, body in upstream.asked] == [b"new"]


async def test_a_refusing_cut_resets_what_is_open_and_what_comes(
    client: aiohttp.ClientSession, proxy: FaultProxy
) -> None:
    await call(client, "A")
    proxy.cut(refuse=True)
    await until(lambda: not proxy._clients)
    with pytest.raises(aiohttp.ClientConnectionError):
        await call(client, "B")
    proxy.heal()
    assert await call(client, "C") == b"answer to x"


async def test_an_upstream_that_is_gone_is_a_reset() -> None:
    async with FaultProxy("http://127.0.0.1:9") as proxy, aiohttp.ClientSession(proxy.url) as client:
        with pytest.raises(aiohttp.ClientConnectionError):
            await call(client, "A")
        assert proxy.applied["A"] == 0


async def test_nothing_outlives_the_block(upstream: Upstream) -> None:
    async with FaultProxy(upstream.url) as proxy, aiohttp.ClientSession(proxy.url) as client:
        proxy.on(ANY, Hang())
        waiting = asyncio.create_task(call(client, "A"), name="left hanging")
        await until(lambda: proxy.calls["A"])
        url = proxy.url
        await proxy.__aexit__(None, None, None)
        with pytest.raises(aiohttp.ClientConnectionError):
            await waiting
        assert "fault-proxy-client" not in {task.get_name() for task in asyncio.all_tasks()}
        with pytest.raises(aiohttp.ClientConnectorError):
            await client.get(url)


@pytest.mark.parametrize("url", ["127.0.0.1:80", "http://127.0.0.1"])
def test_an_upstream_needs_host_and_port(url: str) -> None:
    with pytest.raises(ValueError, match="host and a port"):
        FaultProxy(url)
