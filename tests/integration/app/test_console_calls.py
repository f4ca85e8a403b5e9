"""What the console asks its node before and after signing in: `/console.json`, `/v1/dev/tokens`, `/v1/me`, …"""

import time
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from structlog.testing import capture_logs

from tests.integration.app.house import House, house, token
from tests.integration.app.http_caller import Answer, call
from tests.support.until import until

ANN = {"user": "ann", "tenant": "t1", "permissions": ["b", "a"]}


@pytest_asyncio.fixture
async def open_house(tmp_path: Path) -> AsyncIterator[House]:
    """A node with the console, which gives tokens away."""
    async with house(tmp_path, console=True, dev_tokens=True) as opened:
        yield opened


async def wish(node: House, body: Any, **headers: str) -> Answer:
    return await call(node, "POST", "/v1/dev/tokens", body, bearer="", **headers)


# --- before signing in --------------------------------------------------------------------------------------


async def test_the_console_knows_how_people_sign_in(open_house: House) -> None:
    answer = await call(open_house, "GET", "/console.json", bearer="")
    assert answer.body == {"auth": "jwt", "dev_tokens": True, "version": version("streamer")}
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_without_the_console_nothing_is_said_of_it(node: House) -> None:
    async with aiohttp.ClientSession() as session, session.get(f"{node.server.url}/console.json") as answer:
        assert answer.status == 404


async def test_where_authentication_is_off_nobody_needs_a_token(tmp_path: Path) -> None:
    async with house(tmp_path, console=True, dev_tokens=True, auth_mode="off", host="127.0.0.1") as node:
        assert (await call(node, "GET", "/console.json", bearer="")).body["auth"] == "off"
        assert (await call(node, "GET", "/console.json", bearer="")).body["dev_tokens"] is False
        assert (await wish(node, ANN)).status == 404
        assert (await call(node, "GET", "/v1/me", bearer="")).body == {
            "user": "dev", "tenant": "dev", "permissions": ["*"], "expires_at": None,
        }  # fmt: skip


async def test_a_token_for_development_is_one(open_house: House) -> None:
    before = time.time()
    issued = (await wish(open_house, {**ANN, "ttl_s": 60})).body
    assert before + 58 <= issued["expires_at"] <= time.time() + 60
    me = await call(open_house, "GET", "/v1/me", bearer=issued["token"])
    assert me.body == {"user": "ann", "tenant": "t1", "permissions": ["a", "b"], "expires_at": issued["expires_at"]}


async def test_it_holds_for_an_hour_unless_asked_otherwise(open_house: House) -> None:
    before = time.time()
    assert before + 3_590 <= (await wish(open_house, ANN)).body["expires_at"] <= time.time() + 3_600


async def test_who_was_given_a_token_is_audited_and_the_token_is_not(open_house: House) -> None:
    with capture_logs() as lines:
        issued = (await wish(open_house, ANN)).body["token"]
    [line] = [line for line in lines if line["event"] == "audit"]
    assert {"verb": "token", "owner": "ann", "owner_tenant": "t1", "permissions": ["b", "a"]}.items() <= line.items()
    assert issued not in str(lines)


async def test_that_tokens_are_given_away_is_said_at_the_start(tmp_path: Path) -> None:
    with capture_logs() as lines:
        async with house(tmp_path, dev_tokens=True):
            pass
    assert [line["log_level"] for line in lines if line["event"] == "dev_tokens_on"] == ["warning"]


async def test_no_token_is_given_away_unless_that_was_set(node: House) -> None:
    answer = await wish(node, ANN)
    nothing = await call(node, "POST", "/v1/dev/nothing", bearer="")
    assert (answer.status, answer.body["error"]) == (404, nothing.body["error"])


async def test_a_page_of_a_stranger_gets_no_token(open_house: House) -> None:
    answer = await wish(open_house, ANN, Origin="https://elsewhere.example")
    assert (answer.status, answer.code) == (403, "FORBIDDEN")
    assert (await wish(open_house, ANN, Origin=open_house.server.url)).status == 200


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"user": ""}, "user"), ({"user": 1}, "user"), ({"tenant": "x" * 257}, "tenant"),
        ({"tenant": "a\0b"}, "tenant"),
        ({"user": "ü" * 200}, "user"), ({"permissions": "all"}, "permissions"), ({"ttl_s": 0}, "ttl_s"),
        ({"ttl_s": 86_401}, "ttl_s"),
    ],
)  # fmt: skip
async def test_a_token_that_nobody_could_have_is_refused(open_house: House, changed: Any, field: str) -> None:
    answer = await wish(open_house, {**ANN, **changed})
    assert (answer.status, answer.code) == (400, "VALIDATION_ERROR")
    assert answer.body["error"]["details"]["errors"][0]["loc"][0] == field


@pytest.mark.parametrize("body", [b"", b"{", b"\xff"])
async def test_what_is_no_json_is_said(open_house: House, body: bytes) -> None:
    answer = await wish(open_house, body)
    assert (answer.status, answer.code) == (400, "INVALID_MESSAGE")


# --- after it -----------------------------------------------------------------------------------------------


async def test_without_a_token_nobody_is_told_who_he_is(node: House) -> None:
    for path in ("/v1/me", "/v1/actions"):
        assert (await call(node, "GET", path, bearer="")).code == "UNAUTHORIZED"


async def listed(node: House, *permissions: str) -> dict[str, Any]:
    answer = await call(node, "GET", "/v1/actions", bearer=token("ann", "t1", permissions))
    return {action["name"]: action for action in answer.body["actions"]}


async def test_actions_are_listed_for_those_who_may_call_them(node: House) -> None:
    few, all_ = await listed(node), await listed(node, "*")
    needing = {name for name, action in all_.items() if action["permission"] is not None}
    assert needing
    assert all_.keys() - few.keys() == needing
    assert list(all_) == sorted(all_)


async def test_an_action_tells_what_it_takes(node: House) -> None:
    report = (await listed(node))["generate_report"]
    assert (report["mode"], report["permission"]) == ("queued", None)
    payload = Draft202012Validator(report["payload"])
    assert payload.is_valid({"start_date": "2026-01-01", "end_date": "2026-01-31", "format": "csv"})
    assert not payload.is_valid({"start_date": "2026-01-01"})
    assert report["result"]["type"] == "object"


# --- the last fifteen minutes -------------------------------------------------------------------------------


async def test_a_console_has_a_history(open_house: House) -> None:
    sees = token("olga", "ops", ("admin:read",))

    async def points() -> Any:
        return (await call(open_house, "GET", "/v1/admin/history", bearer=sees)).body["points"]

    [point] = await until(points)
    assert (point["nodes"], point["workers"], point["running"]) == (1, 0, 0)
    assert point["queues"] == {"default": {"waiting": 0, "delayed": 0, "dead": 0, "oldest_age_s": None}}


async def test_without_the_console_nobody_samples(node: House) -> None:
    answer = await call(node, "GET", "/v1/admin/history", bearer=token("olga", "ops", ("admin:read",)))
    assert answer.body == {"step_s": 15, "points": []}
