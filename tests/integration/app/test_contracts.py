"""`GET /asyncapi.json` and `/openapi.json`: who is shown them, and when they are sent again."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from streamer.contract import asyncapi, openapi
from tests.integration.app.house import House, house, token

BOTH = pytest.mark.parametrize("path", ["/asyncapi.json", "/openapi.json"])


async def asked(node: House, path: str, **headers: str) -> tuple[int, Any, Any]:
    async with aiohttp.ClientSession() as session, session.get(node.server.url + path, headers=headers) as answer:
        return answer.status, answer.headers, await answer.json() if answer.status != 304 else None


def bearer() -> str:
    return f"Bearer {token()}"


@BOTH
async def test_a_caller_with_a_token_is_shown_the_actions_of_this_node(node: House, path: str) -> None:
    status, headers, document = await asked(node, path, Authorization=bearer())
    assert (status, headers["content-type"], headers["cache-control"]) == (200, "application/json", "no-cache")
    assert "stubborn.call" in (document.get("operations") or document["components"]["schemas"])


@BOTH
async def test_nobody_else_is_where_the_contract_is_not_public(node: House, path: str) -> None:
    status, headers, frame = await asked(node, path)
    assert (status, headers["www-authenticate"]) == (401, "Bearer")
    assert (frame["type"], frame["error"]["code"]) == ("error", "UNAUTHORIZED")


async def test_a_page_of_a_stranger_is_refused_too(node: House) -> None:
    status, headers, frame = await asked(node, "/openapi.json", Origin="https://evil.example", Authorization=bearer())
    assert (status, frame["error"]["code"]) == (403, "FORBIDDEN")
    assert "www-authenticate" not in headers


@pytest.mark.parametrize("shown", [{"console": True}, {"contract_public": True}])
async def test_everybody_is_where_it_is_public(tmp_path: Path, shown: dict[str, bool]) -> None:
    async with house(tmp_path, **shown) as node:
        assert [(await asked(node, path))[0] for path in ("/asyncapi.json", "/openapi.json")] == [200, 200]


@BOTH
async def test_who_has_the_document_is_not_sent_it_again(node: House, path: str) -> None:
    _, headers, _ = await asked(node, path, Authorization=bearer())
    etag = headers["etag"]
    for known in (etag, f'"another", W/{etag}'):
        status, again, body = await asked(node, path, Authorization=bearer(), **{"If-None-Match": known})
        assert (status, again["etag"], body) == (304, etag, None)
    status, _, _ = await asked(node, path, Authorization=bearer(), **{"If-None-Match": '"another"'})
    assert status == 200


async def test_a_document_is_made_once(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await asked(node, "/openapi.json", Authorization=bearer())
    for module in (asyncapi, openapi):
        monkeypatch.setattr(module, "Schemas", None)
    assert (await asked(node, "/openapi.json", Authorization=bearer()))[2] == first[2]
