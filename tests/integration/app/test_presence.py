"""`GET /v1/presence`: two nodes, one store, and who may see whom."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from streamer.errors import StoreUnavailable
from streamer.store.base import Connection
from tests.integration.app.house import House, house, token
from tests.support.until import until

Query = dict[str, str]
SEES = ("presence:read",)


async def asked(node: House, bearer: str | None, query: Query | None = None, **headers: str) -> tuple[int, Any]:
    if bearer is not None:
        headers["Authorization"] = f"Bearer {bearer}"
    url = f"{node.server.url}/v1/presence"
    async with aiohttp.ClientSession() as session, session.get(url, params=query, headers=headers) as answer:
        return answer.status, await answer.json()


async def seen(node: House, bearer: str, query: Query | None = None) -> dict[str, int]:
    """How many connections each user has."""
    status, answer = await asked(node, bearer, query)
    assert status == 200, answer
    return {each["user"]: each["connections"] for each in answer["users"]}


async def until_seen(node: House, bearer: str, **users: int) -> None:
    async def is_so() -> bool:
        return await seen(node, bearer) == users

    await until(is_so, what=f"{users}")


async def test_a_tenant_is_seen_from_every_node_and_its_nodes_go(tmp_path: Path) -> None:
    sees = token("carl", permissions=SEES)
    async with house(tmp_path) as near:
        await near.client()
        async with house(tmp_path) as far:
            for user in ("ann", "bob"):
                await far.client(token(user))
            await far.client(token("eve", tenant="t2"))
            for node in (near, far):
                await until_seen(node, sees, ann=2, bob=1)
                assert await seen(node, sees, {"user": "bob"}) == {"bob": 1}
                assert await seen(node, sees, {"user": "eve"}) == {}
        await until_seen(near, sees, ann=1)


async def test_a_listing_says_since_when(node: House) -> None:
    before = datetime.now(UTC)
    await node.client()
    await until_seen(node, token(permissions=("*",)), ann=1)
    _, answer = await asked(node, token(permissions=SEES))
    assert answer["tenant"] == "t1"
    assert before.replace(microsecond=0) <= datetime.fromisoformat(answer["users"][0]["since"]) <= datetime.now(UTC)


async def test_what_a_dead_node_left_behind_is_not_seen(node: House) -> None:
    left: dict[str, Any] = {"connection_id": "dead.1", "node_id": "dead", "tenant": "t1", "user": "bob"}
    now_ms = int(datetime.now(UTC).timestamp() * 1000)
    await node.store.connections.save(Connection(**left, connected_ms=now_ms, last_ping_ms=now_ms))
    await node.client()
    await until_seen(node, token(permissions=SEES), ann=1)
    assert await seen(node, token(permissions=SEES), {"user": "bob"}) == {}


@pytest.mark.parametrize(
    "bearer", [None, "", "nonsense", token(expires_in_s=-10)], ids=["none", "empty", "nonsense", "expired"]
)
async def test_nobody_is_seen_without_a_token(node: House, bearer: str | None) -> None:
    status, answer = await asked(node, bearer)
    assert (status, answer["error"]["code"]) == (401, "UNAUTHORIZED")
    assert answer["error"]


async def test_a_token_belongs_into_its_header(tmp_path: Path) -> None:
    async with house(tmp_path, auth_query_token=True) as node:
        assert (await asked(node, None, {"token": token(permissions=SEES)}))[0] == 401


async def test_nobody_is_seen_without_the_permission(node: House) -> None:
    status, answer = await asked(node, token(permissions=("presence:write",)))
    assert (status, answer["error"]["code"]) == (403, "FORBIDDEN")
    assert "presence:read" in answer["error"]["message"]


async def test_a_page_of_a_stranger_sees_nobody(node: House) -> None:
    status, answer = await asked(node, token(permissions=SEES), Origin="https://elsewhere.example")
    assert (status, answer["error"]["code"]) == (403, "FORBIDDEN")


async def test_a_store_that_is_away_is_told(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(*_: object) -> None:
        raise StoreUnavailable

    monkeypatch.setattr(node.node.registrar._connections, "list_by_tenant", away)
    status, answer = await asked(node, token(permissions=SEES))
    assert (status, answer["error"]["code"]) == (503, "STORAGE_ERROR")
