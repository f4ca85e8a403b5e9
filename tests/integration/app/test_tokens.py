"""Tokens on live sockets: renewed, expired, somebody else's, and with fewer permissions than before."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from app.watch import PERMISSION
from streamer.auth import Principal
from streamer.errors import ServiceUnavailable
from streamer.protocol.codes import Close
from tests.integration.app.house import Client, House, house, outcome, token
from tests.integration.app.test_jobs import job_id
from tests.support.until import until


async def renew(client: Client, bearer: str) -> dict[str, Any]:
    await client.send(type="auth", token=bearer)
    return await client.next("authenticated")


async def test_a_token_is_renewed_while_a_job_runs_and_nothing_is_lost(tmp_path: Path) -> None:
    async with house(tmp_path, token_grace_s=0.0) as node:
        client = await node.client(token(expires_in_s=3), v1=True)
        job = await node.running(client, "r1")
        warned = await client.next("token_expiring")
        assert warned["expires_at"] == client.welcome["token_expires_at"]
        renewed = await renew(client, token(expires_in_s=600))
        assert renewed["token_expires_at"] > warned["expires_at"] + 500
        await until(lambda: time.time() > warned["expires_at"] + 0.5)
        done = await node.requests.complete(job, b'"done"', 2)
        await node.deliver(done, "outcome", 2, outcome(done))
        assert (await client.next("complete"))["result"] == "done"
        assert (await client.ask(action="who"))["data"]["user"] == "ann"


async def test_in_its_grace_an_expired_token_hears_and_renews_and_does_no_more(tmp_path: Path) -> None:
    async with house(tmp_path, token_grace_s=600.0) as node:
        client = await node.client(token(expires_in_s=2), v1=True)
        job = await node.running(client, "r1")
        connection = node.node.hub.get(client.connection_id)
        assert connection is not None
        await until(lambda: connection.is_expired)
        await client.send(action="who", id="r2")
        refused = await client.next("error")
        assert (refused["error"]["code"], refused["request_id"], refused["final"]) == ("UNAUTHORIZED", "r2", False)
        done = await node.requests.complete(job, b'"done"', 2)
        await node.deliver(done, "outcome", 2, outcome(done))
        assert (await client.next("complete"))["request_id"] == "r1"
        await client.send(type="ping", id="p")
        assert (await client.next())["type"] == "pong"
        await renew(client, token())
        assert (await client.ask(action="who", id="r3"))["type"] == "response"


async def test_a_token_that_is_not_renewed_ends_the_socket_and_a_new_one_resumes(tmp_path: Path) -> None:
    async with house(tmp_path, token_grace_s=0.0) as node:
        client = await node.client(token(expires_in_s=2), v1=True)
        job = await node.running(client, "r1")
        assert await client.closed() == Close.TOKEN_EXPIRED
        done = await node.requests.complete(job, b'"done"', 2)
        again = await node.client(v1=True)
        await again.resume("r1", connection_id=client.connection_id, n=1)
        assert (await again.next("complete"))["job_id"] == done.job_id


@pytest.mark.parametrize(
    "other",
    [token("bob"), token("ann", "t2"), token(expires_in_s=-5), "nonsense"],
    ids=["another user", "another tenant", "an expired one", "no token"],
)
async def test_a_token_that_is_no_good_here_ends_the_socket(node: House, other: str) -> None:
    client = await node.client(v1=True)
    await client.send(type="auth", token=other)
    assert await client.closed() == Close.TOKEN_REJECTED


async def test_a_token_that_was_taken_back_is_no_good(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await node.client(v1=True)
    monkeypatch.setattr(node.node.doorkeeper, "_is_revoked", lambda _: True)
    await client.send(type="auth", token=token())
    assert await client.closed() == Close.TOKEN_REJECTED


async def test_a_plain_client_may_renew_and_hears_nothing_of_it(tmp_path: Path) -> None:
    async with house(tmp_path, token_grace_s=600.0) as node:
        client = await node.client(token(expires_in_s=2))
        (connection,) = node.node.hub
        await until(lambda: connection.is_expired)
        await client.send(type="auth", token=token())
        assert await client.is_silent()
        assert (await client.ask(action="who"))["type"] == "response"


async def test_a_permission_that_is_withdrawn_between_two_frames(node: House) -> None:
    client = await node.client(token(permissions=("secrets:read",)), v1=True)
    assert (await client.ask(action="secret", id="r1"))["type"] == "response"
    await renew(client, token())
    refused = await client.ask(action="secret", id="r2")
    assert (refused["type"], refused["error"]["code"]) == ("error", "FORBIDDEN")
    await renew(client, token(permissions=("secrets:read",)))
    assert (await client.ask(action="secret", id="r3"))["type"] == "response"


async def test_who_may_not_watch_any_more_hears_no_more_of_others(node: House) -> None:
    ann, bob = await node.client(v1=True), await node.client(token("bob", permissions=(PERMISSION,)), v1=True)
    job = await node.running(ann, "r1")
    own = await node.running(bob, "own")
    for watched in (job.job_id, own.job_id):
        await bob.send(type="subscribe", job_id=watched)
        await bob.next("subscribed")
    await renew(bob, token("bob"))
    assert (await bob.next("unsubscribed"))["job_id"] == job.job_id
    assert await node.store.subscriptions.list_by_request(job.job_id) == []
    done = await node.requests.complete(job, b'"the secret"', 2)
    await node.deliver(done, "outcome", 2, outcome(done), c=[bob.connection_id])
    assert await bob.is_silent()
    mine = await node.requests.complete(own, b'"mine"', 2)
    await node.deliver(mine, "outcome", 2, outcome(mine))
    assert (await bob.next("complete"))["job_id"] == job_id("own", "bob")


async def test_keys_that_cannot_be_had_now_are_no_reason_to_close(node: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_: str | None) -> Principal:
        raise ServiceUnavailable

    client = await node.client(v1=True)
    monkeypatch.setattr(node.node.doorkeeper._authenticator, "authenticate", away)
    refused = await client.ask(type="auth", token=token())
    assert (refused["type"], refused["error"]["code"]) == ("error", "SERVICE_UNAVAILABLE")
    assert (await client.ask(action="who"))["type"] == "response"


async def test_of_two_tokens_that_are_looked_at_at_a_time_the_newer_counts(
    node: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await node.client(v1=True)
    authenticator = node.node.doorkeeper._authenticator
    real, gate = authenticator.authenticate, asyncio.Event()
    slow = token(permissions=("slow",))

    async def authenticate(bearer: str | None) -> Principal:
        if bearer == slow:
            await gate.wait()
        return await real(bearer)

    monkeypatch.setattr(authenticator, "authenticate", authenticate)
    await client.send(type="auth", token=slow)
    await renew(client, token(permissions=("secrets:read",)))
    gate.set()
    await client.next("authenticated")
    assert (await client.ask(action="secret"))["type"] == "response"


async def test_with_authentication_off_there_is_nothing_to_renew(tmp_path: Path) -> None:
    async with house(tmp_path, auth_mode="off", jwt_secret=None) as node:
        client = await node.client(v1=True)
        assert "token_expires_at" not in await renew(client, "anything")
