"""What a stranger hears over HTTP of somebody's request: what is said of one that never existed, byte for byte.

Tried are all calls that name a request, by everybody to whom it does not belong and by everybody whose token is no
good, whatever has become of it. The same for frames: `test_strangers.py`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson
import pytest

from app.watch import PERMISSION
from streamer.auth import issue_token
from streamer.jobs import ids
from streamer.store.base import now_ms
from streamer.store.revocations import Revocation
from tests.integration.app.house import Client, House, token
from tests.integration.app.test_jobs import job_id
from tests.integration.app.test_strangers import NOT_THERE, STATES, STRANGERS, THERE, its_own_answer_comes, stored
from tests.support.until import until


@dataclass(frozen=True)
class Call:
    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


Answer = tuple[int, Mapping[str, str], str]
"""Status, headers that say something of the request, and body."""

ADMIN = "/v1/admin"
CALLS: dict[str, Callable[[str], Call]] = {
    "submit": lambda name: Call("POST", "", {"action": "queued", "id": name, "payload": {"of": "a stranger"}}),
    "durable": lambda name: Call("POST", "", {"action": "queued", "id": name, "options": {"durable": True}}),
    "inline": lambda name: Call("POST", "", {"action": "who", "id": name}),
    "key": lambda name: Call("POST", "", {"action": "queued"}, {"Idempotency-Key": name}),
    "state": lambda name: Call("GET", f"/{name}"),
    "events": lambda name: Call("GET", f"/{name}/events"),
    "events from somewhere": lambda name: Call("GET", f"/{name}/events", headers={"Last-Event-ID": "1.1.1"}),
    "events after the end": lambda name: Call("GET", f"/{name}/events", headers={"Last-Event-ID": "9.9.9"}),
    "cancel": lambda name: Call("DELETE", f"/{name}"),
    "list": lambda _: Call("GET", "?limit=100"),
    "list of completed": lambda _: Call("GET", "?status=COMPLETED"),
    "operator look": lambda name: Call("GET", f"{ADMIN}/jobs/{name}"),
    "operator purge": lambda name: Call("DELETE", f"{ADMIN}/jobs/{name}"),
    "operator redrive": lambda name: Call("POST", f"{ADMIN}/jobs/{name}/redrive"),
    "operator cancel": lambda name: Call("POST", f"{ADMIN}/jobs/{name}/cancel"),
    "list of operators": lambda _: Call("GET", f"{ADMIN}/jobs?status=waiting&tenant=t1"),
    "list of connections": lambda _: Call("GET", f"{ADMIN}/connections?tenant=t1"),
}
REFUSED = {"state", "events", "events from somewhere", "events after the end", "cancel"}
WATCHING = REFUSED - {"cancel"}
TELLING = ("location", "retry-after", "www-authenticate", "content-type", "preference-applied")


def revoked_token() -> str:
    return token("mallory", "t1", (PERMISSION,))


NO_GOOD: dict[str, Callable[[], str | None]] = {
    "no token": lambda: None,
    "no token at all": lambda: "nonsense",
    "an expired token of the owner": lambda: token("ann", "t1", expires_in_s=-5),
    "a revoked token": revoked_token,
    "a token under another key": lambda: issue_token(
        "another secret of thirty-two bytes", user="ann", tenant="t1", permissions=["*"], expires_in_s=60
    ),
}


async def answered(node: House, bearer: str | None, call: Call) -> Answer:
    """What comes of a call, but for the time."""
    headers = {**call.headers, **({} if bearer is None else {"Authorization": f"Bearer {bearer}"})}
    data = None if call.body is None else orjson.dumps(call.body)
    url = node.server.url + (call.path if call.path.startswith("/v1/") else f"/v1/requests{call.path}")
    async with aiohttp.ClientSession() as session, session.request(call.method, url, data=data, headers=headers) as got:
        told = {name: value for name, value in got.headers.items() if name.lower() in TELLING}
        return got.status, told, re.sub(r'"(timestamp|created_at)":[\d.]+', r'"\1":0', await got.text())


@dataclass
class Caller:
    """Somebody whose requests these are not."""

    node: House
    bearer: str | None
    user: str = ""
    tenant: str = ""

    async def hears(self, kind: str, name: str) -> Answer:
        """What comes of a call, but for the ids of the request and of the caller's own job by that id."""
        own = ids.job_id(self.tenant, self.user, name)
        status, headers, body = await answered(self.node, self.bearer, CALLS[kind](name))
        named = {key: value.replace(name, "NAME") for key, value in headers.items()}
        return status, named, body.replace(own, "JOB").replace(name, "NAME")


async def leaks(node: House, owner: Client, other: Caller, kind: str) -> list[Any]:
    """What this kind of call tells of the owner's requests, and what it changes about them."""
    of_nothing = await other.hears(kind, f"{kind.replace(' ', '-')}-nothing")
    if kind in REFUSED and other.user:
        assert (of_nothing[0], orjson.loads(of_nothing[2])["error"]["code"]) == (404, "NOT_FOUND")
    found: list[Any] = []
    for state, make in STATES.items():
        name = f"{kind.replace(' ', '-')}-{state}"
        await make(node, owner, name)
        before = await stored(node, name)
        for named in (name, job_id(name)):
            heard = await other.hears(kind, named)
            if not kind.startswith("list") and heard != of_nothing:
                found.append((name, named, heard))
            if name in heard[2] or job_id(name) in heard[2]:
                found.append((name, named, heard))
        if (after := await stored(node, name)) != before:
            found.append((name, before, after))
    return found


@pytest.mark.parametrize("who", STRANGERS)
async def test_somebody_elses_request_is_like_one_that_never_existed(node: House, who: str) -> None:
    owner = await node.client(v1=True)
    user, tenant, *permissions = STRANGERS[who]
    other = Caller(node, token(user, tenant, tuple(permissions)), user, tenant)
    for kind in CALLS:
        assert not await leaks(node, owner, other, kind)
    await its_own_answer_comes(owner, len(CALLS))


@pytest.mark.parametrize("who", NO_GOOD)
async def test_whose_token_is_no_good_is_told_of_that_and_of_nothing_else(node: House, who: str) -> None:
    await node.store.revocations.revoke(
        Revocation(tenant="t1", user="mallory", revoked_ms=now_ms() + 1_000, expires_ms=now_ms() + 600_000)
    )
    bearer = NO_GOOD[who]()
    if who == "a revoked token":

        async def is_known() -> bool:
            return (await answered(node, bearer, CALLS["list"]("")))[0] == 401

        await until(is_known)
    owner = await node.client(v1=True)
    other = Caller(node, bearer)
    for kind in CALLS:
        status, headers, body = await other.hears(kind, "nothing")
        assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
        assert orjson.loads(body)["error"]["code"] == "UNAUTHORIZED"
        assert not await leaks(node, owner, other, kind)
    await its_own_answer_comes(owner, len(CALLS))


async def test_who_may_watch_reads_and_does_no_more(node: House) -> None:
    owner = await node.client(v1=True)
    other = Caller(node, token("bob", "t1", (PERMISSION,)), "bob", "t1")
    for kind in [kind for kind in CALLS if kind not in WATCHING]:
        assert not await leaks(node, owner, other, kind)
    for state, make in THERE.items():
        await make(node, owner, f"seen-{state}")
        status, _, body = await answered(node, other.bearer, CALLS["state"](job_id(f"seen-{state}")))
        assert (status, orjson.loads(body)["request_id"]) == (200, job_id(f"seen-{state}"))
        assert (await other.hears("state", f"seen-{state}"))[0] == 404
    for state, make in NOT_THERE.items():
        await make(node, owner, f"seen-{state}")
        assert (await other.hears("state", job_id(f"seen-{state}")))[0] == 404
    await its_own_answer_comes(owner, len(CALLS) - len(WATCHING) + 1)
