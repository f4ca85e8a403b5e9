"""Who may connect, and how the others are told."""

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import orjson
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from app import server
from streamer.protocol.codes import Close
from tests.integration.app.house import SECRET, House, house, token
from tests.support.until import until


def signed(key: str = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    whole = {"sub": "ann", "tenant_id": "t1", "exp": int(time.time()) + 60, **claims}
    given = {name: value for name, value in whole.items() if value is not None}
    return jwt.encode(given, key, algorithm=algorithm)


def unsigned() -> str:
    header = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=")
    claims = base64.urlsafe_b64encode(
        orjson.dumps({"sub": "ann", "tenant_id": "t1", "exp": int(time.time()) + 60})
    ).rstrip(b"=")
    return f"{header.decode()}.{claims.decode()}."


ELSEWHERE = Origin("https://elsewhere.example")
BAD_TOKENS: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "nonsense": lambda: "nonsense",
    "wrong key": lambda: signed("another secret of thirty-two bytes!!"),
    "expired": lambda: signed(exp=int(time.time()) - 10),
    "unsigned": unsigned,
    "no expiry": lambda: signed(exp=None),
    "no user": lambda: signed(sub=None),
    "no tenant": lambda: signed(tenant_id=None),
    "empty user": lambda: signed(sub=""),
    "tenant with NUL": lambda: signed(tenant_id="t\x001"),
}


async def refused(node: House, **options: Any) -> tuple[int, dict[str, Any], Any]:
    with pytest.raises(InvalidStatus) as raised:
        await connect(node.ws_url, **options)
    response = raised.value.response
    return response.status_code, orjson.loads(response.body or b"{}"), response.headers


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_a_bad_token_is_refused_over_http(node: House, kind: str) -> None:
    status, body, _ = await refused(node, additional_headers=bearer(BAD_TOKENS[kind]()))
    assert (status, body["code"]) == (401, "UNAUTHORIZED")
    assert set(body) == {"error", "code"}


async def test_no_token_is_refused(node: House, caplog: pytest.LogCaptureFixture) -> None:
    status, body, _ = await refused(node)
    assert (status, body["code"]) == (401, "UNAUTHORIZED")
    assert (await refused(node, additional_headers={"Authorization": "Basic YTpi"}))[0] == 401
    assert "without completing handshake" not in caplog.text  # uvicorn's own complaint about every refusal


async def test_a_query_token_counts_only_where_that_is_allowed(tmp_path: Path, node: House) -> None:
    with pytest.raises(InvalidStatus):
        await connect(f"{node.ws_url}?token={token()}")
    (tmp_path / "other").mkdir()
    async with house(tmp_path / "other", auth_query_token=True) as other:
        for query in (f"token={token()}", f"Authorization=Bearer%20{token()}"):
            async with connect(f"{other.ws_url}?{query}"):
                pass
        with pytest.raises(InvalidStatus):
            await connect(f"{other.ws_url}?other=1")


async def test_a_browser_brings_its_token_as_a_subprotocol(node: House) -> None:
    offered = [Subprotocol("streamer.v1"), Subprotocol(f"bearer.{token()}")]
    async with connect(node.ws_url, subprotocols=offered) as socket:
        assert socket.subprotocol == "streamer.v1"
        welcome = orjson.loads(await socket.recv())
    assert welcome["type"] == "welcome"
    assert welcome["connection_id"].startswith(node.node.node_id + ".")
    assert welcome["limits"] == {"message_bytes": 131072, "in_flight": 64, "rate": 0}
    assert welcome["token_expires_at"] > time.time()
    assert welcome["reconnect"]["min_ms"] < welcome["reconnect"]["max_ms"]
    assert welcome["inbox"] == []


async def test_a_plain_client_is_welcomed_by_nothing(node: House) -> None:
    client = await node.client()
    assert client.socket.subprotocol is None
    assert await client.is_silent()


async def closed_at_once(node: House, bearer_token: str, **options: Any) -> int:
    offered = [Subprotocol("streamer.v1"), Subprotocol(f"bearer.{bearer_token}")]
    async with connect(node.ws_url, subprotocols=offered, **options) as socket:
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        return socket.close_code or 0


async def test_a_browser_is_told_by_close_codes(tmp_path: Path) -> None:
    async with house(tmp_path, max_connections=1, allowed_tenants=frozenset({"t1"})) as node:
        assert await closed_at_once(node, "nonsense") == Close.TOKEN_REJECTED
        assert await closed_at_once(node, token(tenant="t2")) == Close.FORBIDDEN
        assert await closed_at_once(node, token(), origin=ELSEWHERE) == Close.FORBIDDEN
        await node.client()
        assert await closed_at_once(node, token()) == Close.TOO_MANY_CONNECTIONS
        node.node.health.is_draining = True
        assert await closed_at_once(node, token()) == Close.RESTARTING


async def test_others_are_told_over_http(tmp_path: Path) -> None:
    async with house(tmp_path, max_connections=1, allowed_tenants=frozenset({"t1"})) as node:
        mine = bearer(token())
        status, body, _ = await refused(node, additional_headers=bearer(token(tenant="t2")))
        assert (status, body["code"]) == (403, "FORBIDDEN")
        status, body, _ = await refused(node, additional_headers=mine, origin=ELSEWHERE)
        assert (status, body["code"]) == (403, "FORBIDDEN")
        client = await node.client()
        status, body, headers = await refused(node, additional_headers=mine)
        assert (status, body["code"], headers["retry-after"]) == (503, "SERVICE_UNAVAILABLE", "5")
        await client.socket.close()
        await until(lambda: not len(node.node.hub))
        await (await node.client()).socket.close()
        node.node.health.is_draining = True
        status, body, headers = await refused(node, additional_headers=mine)
        assert (status, body["code"], headers["retry-after"]) == (503, "SERVICE_UNAVAILABLE", "5")
        text = node.node.metrics.exposition().decode()
        for result in ("accepted", "forbidden", "full", "draining"):
            assert f'streamer_handshakes_total{{result="{result}"}}' in text


async def test_origins(tmp_path: Path) -> None:
    async with house(tmp_path, allowed_origins=frozenset({"https://app.example"})) as node:
        async with connect(node.ws_url, additional_headers=bearer(token()), origin=Origin("https://app.example")):
            pass
        assert (await refused(node, additional_headers=bearer(token()), origin=Origin(node.server.url)))[0] == 403


async def test_the_same_origin_is_allowed(node: House) -> None:
    async with connect(node.ws_url, additional_headers=bearer(token()), origin=Origin(node.server.url)):
        pass


async def test_limits_per_user_and_tenant(tmp_path: Path) -> None:
    async with house(tmp_path, max_connections_per_user=1, max_connections_per_tenant=2) as node:
        await node.client(token("ann"))
        assert (await refused(node, additional_headers=bearer(token("ann"))))[0] == 503
        await node.client(token("bob"))
        assert (await refused(node, additional_headers=bearer(token("cid"))))[0] == 503
        await node.client(token("ann", "t2"))


async def test_without_authentication_only_this_machine_may_come(tmp_path: Path) -> None:
    async with house(tmp_path, auth_mode="off", jwt_secret=None) as node:
        async with connect(node.ws_url) as socket:
            await socket.send('{"action":"who"}')
            assert orjson.loads(await socket.recv())["data"]["user"] == "dev"
        for host in ("rebound.example", "rebound.example:8080", "["):
            status, _, _ = await refused(node, additional_headers={"Host": host})
            assert status == 403


async def test_a_socket_ends_with_its_token(tmp_path: Path) -> None:
    async with house(tmp_path, token_grace_s=0.0) as node:
        client = await node.client(signed(exp=int(time.time()) + 1))
        assert await client.closed() == Close.TOKEN_EXPIRED


async def test_the_row_of_a_connection_comes_and_goes(node: House) -> None:
    client = await node.client(v1=True, user_agent_header="a test")
    connection_id = client.seen[0]["connection_id"]
    row = await until(lambda: node.store.connections.get(connection_id))
    assert (row.node_id, row.tenant, row.user) == (node.node.node_id, "t1", "ann")
    assert (row.source_ip, row.user_agent) == ("127.0.0.1", "a test")
    await client.socket.close()

    async def is_gone() -> bool:
        return await node.store.connections.get(connection_id) is None

    await until(is_gone)


async def test_keep_alive_is_set(node: House) -> None:
    config = node.server.config
    assert (config.ws_ping_interval, config.ws_ping_timeout) == (server.PING_S, server.PING_S)
    assert config.ws_per_message_deflate is False
