"""What a node takes of one client, one user and one address, and what it says to who goes on."""

import asyncio
import ipaddress
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from streamer.protocol.codes import Close
from tests.integration.app.house import House, house, token
from tests.support.until import until

LOCAL = (ipaddress.ip_network("127.0.0.0/8"),)


async def refused(node: House, **headers: str) -> tuple[int, dict[str, Any], str | None]:
    with pytest.raises(InvalidStatus) as caught:
        await connect(node.ws_url, additional_headers={"Authorization": f"Bearer {token()}", **headers})
    response = caught.value.response
    return response.status_code, orjson.loads(response.body or b"{}"), response.headers.get("Retry-After")


async def called(node: House, method: str = "GET", **headers: str) -> aiohttp.ClientResponse:
    url = f"{node.server.url}/v1/presence"
    async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers) as answer:
        await answer.read()
        return answer


def addresses(node: House) -> list[str]:
    """Where the connections of this node come from, by their rows."""
    return [row.source_ip for row in node.node.registrar._rows.values()]


async def test_who_goes_on_over_the_limit_is_closed(tmp_path: Path) -> None:
    async with house(tmp_path, rate_limit=1) as node:
        client = await node.client(v1=True)
        for number in range(110):
            await client.send(type="ping", id=number)
        frames = await client.rest()
        assert await client.closed() == Close.TOO_MANY_MESSAGES
        said = [frame["type"] for frame in frames]
        assert said[:2] == ["pong"] * 2
        assert said.count("error") >= 100
        refusals = [frame["error"] for frame in frames if frame["type"] == "error"]
        assert {refusal["code"] for refusal in refusals} == {"RATE_LIMITED"}
        assert all(refusal["retry"]["after_ms"] > 0 for refusal in refusals)


async def test_all_connections_of_a_user_share_a_limit(tmp_path: Path) -> None:
    async with house(tmp_path, rate_limit=100, rate_limit_per_user=0.01) as node:
        first, second, other = [await node.client(token(user), v1=True) for user in ("ann", "ann", "bob")]
        assert (await first.ask(type="ping"))["type"] == "pong"
        assert (await second.ask(type="ping"))["error"]["code"] == "RATE_LIMITED"
        assert (await first.ask(type="ping"))["error"]["code"] == "RATE_LIMITED"
        assert (await other.ask(type="ping"))["type"] == "pong"


async def test_the_limits_are_told_in_the_welcome(tmp_path: Path) -> None:
    async with house(tmp_path, rate_limit=100, rate_limit_per_user=250) as node:
        told = (await node.client(v1=True)).welcome["limits"]
        assert told == {"message_bytes": 131_072, "in_flight": 64, "rate": 100, "user_rate": 250}


async def test_handshakes_of_one_address_are_limited_before_any_token_is_looked_at(tmp_path: Path) -> None:
    async with house(tmp_path, handshakes_per_address=0.01, trusted_proxies=LOCAL) as node:
        assert (await refused(node, Authorization="Bearer nonsense"))[0] == 401
        status, body, after = await refused(node)
        assert (status, body["code"]) == (429, "RATE_LIMITED")
        assert 90 <= int(after or 0) <= 100
        browser = [Subprotocol("streamer.v1"), Subprotocol(f"bearer.{token()}")]
        async with connect(node.ws_url, subprotocols=browser) as socket:
            await socket.wait_closed()
            assert socket.close_code == Close.TOO_MANY_MESSAGES
        async with connect(node.ws_url, additional_headers=passed_on("203.0.113.7")):
            await until(lambda: addresses(node) == ["203.0.113.7"])


def passed_on(address: str) -> dict[str, str]:
    """What a proxy passes on for this address, whose client wrote an entry of its own."""
    return {"Authorization": f"Bearer {token()}", "X-Forwarded-For": f"127.0.0.1, {address}"}


async def test_who_writes_the_header_without_being_a_proxy_is_not_believed(node: House) -> None:
    async with connect(node.ws_url, additional_headers=passed_on("203.0.113.7")):
        await until(lambda: addresses(node) == ["127.0.0.1"])


async def test_calls_count_where_they_are_refused(tmp_path: Path) -> None:
    async with house(tmp_path, handshakes_per_address=0.01) as node:
        good = {"Authorization": f"Bearer {token(permissions=('presence:read',))}"}
        assert [(await called(node, **good)).status for _ in range(3)] == [200] * 3
        assert (await called(node, Authorization="Bearer nonsense")).status == 401
        limited = await called(node, **good)
        assert limited.status == 429
        assert 90 <= int(limited.headers["Retry-After"]) <= 100


async def test_calls_of_a_user_share_a_limit(tmp_path: Path) -> None:
    async with house(tmp_path, rate_limit=0.5) as node:
        headers = {"Authorization": f"Bearer {token()}"}
        url = f"{node.server.url}/v1/requests"
        async with aiohttp.ClientSession(headers=headers) as session:
            said = [await session.get(url) for _ in range(2)]
            other = await session.get(url, headers={"Authorization": f"Bearer {token('bob')}"})
        assert [answer.status for answer in said] == [200, 429]
        assert int(said[1].headers["Retry-After"]) in (1, 2)
        assert other.status == 200


async def test_whoever_says_nothing_is_cut(tmp_path: Path) -> None:
    async with house(tmp_path, handshake_timeout_s=0.3) as node:
        host, port = node.server.url.removeprefix("http://").split(":")
        silent, quiet = await asyncio.open_connection(host, int(port))
        slow, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /ws HTTP/1.1\r\nHost: here\r\n")
        client = await node.client(v1=True)
        assert await silent.read() == b""
        assert await slow.read() == b""
        for each in (quiet, writer):
            each.close()
            await each.wait_closed()
        assert (await client.ask(type="ping"))["type"] == "pong"


async def test_a_kept_connection_that_says_half_of_its_next_request_is_cut(tmp_path: Path) -> None:
    async with house(tmp_path, handshake_timeout_s=0.3) as node:
        host, port = node.server.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b"GET /livez HTTP/1.1\r\nHost: here\r\n\r\n")
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.write(b"GET /livez HTTP/1.1\r\n")
        assert b"alive" in await reader.read()
        writer.close()
        await writer.wait_closed()


async def test_tokens_that_take_too_long_to_check_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with house(tmp_path, handshake_timeout_s=0.2) as node:
        never = asyncio.Event()
        monkeypatch.setattr(node.node.doorkeeper._authenticator, "authenticate", lambda _: never.wait())
        status, body, after = await refused(node)
        assert (status, body["code"], after) == (503, "SERVICE_UNAVAILABLE", "5")


async def test_pages_of_allowed_origins_may_call(tmp_path: Path) -> None:
    async with house(tmp_path, allowed_origins=frozenset({"https://app.example"})) as node:
        asks = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
        asks["Access-Control-Request-Headers"] = "authorization,idempotency-key,prefer,last-event-id"
        allowed = await called(node, "OPTIONS", **asks)
        assert (allowed.status, allowed.headers["Access-Control-Allow-Origin"]) == (200, "https://app.example")
        assert "Access-Control-Allow-Credentials" not in allowed.headers
        answer = await called(node, Origin="https://app.example")
        assert "Preference-Applied" in answer.headers["Access-Control-Expose-Headers"]
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example"
        other = await called(node, "OPTIONS", **{**asks, "Origin": "https://evil.example"})
        assert "Access-Control-Allow-Origin" not in other.headers


async def test_by_default_no_other_origin_is_allowed(node: House) -> None:
    answer = await called(node, Origin="https://app.example", Authorization=f"Bearer {token()}")
    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers
