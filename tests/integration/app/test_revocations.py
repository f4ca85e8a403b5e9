"""A token that is taken back: refused by every node, and its sockets closed by the next beat."""

import contextlib
from dataclasses import replace
from pathlib import Path

import jwt
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from streamer.auth import Principal
from streamer.auth.principal import principal_of
from streamer.protocol.codes import Close
from streamer.store.base import now_ms
from streamer.store.revocations import Revocation
from tests.integration.app.house import SECRET, House, house, token
from tests.support.issuer import serving
from tests.support.until import until

NEVER_S = 3_600.0


def principal(bearer: str) -> Principal:
    claims = jwt.decode(bearer, SECRET, algorithms=["HS256"])
    return principal_of(claims, tenant_claim="tenant_id", permissions_claim="permissions")


def of_token(bearer: str) -> Revocation:
    now = now_ms()
    return Revocation(tenant="t1", token_id=principal(bearer).token_id, revoked_ms=now, expires_ms=now + 60_000)


def of_user(user: str, *, after_s: float = 0.0) -> Revocation:
    """`after_s`: seconds from now; a token has only whole ones."""
    now = now_ms()
    return Revocation(tenant="t1", user=user, revoked_ms=now + int(after_s * 1000), expires_ms=now + 60_000)


async def refusal(node: House, bearer: str) -> int:
    with pytest.raises(InvalidStatus) as raised:
        await connect(node.ws_url, additional_headers={"Authorization": f"Bearer {bearer}"})
    return raised.value.response.status_code


async def test_a_revoked_token_is_closed_and_refused_on_every_node(node: House, second: House) -> None:
    stolen, other = token(), token()
    sockets = [await each.client(stolen, v1=True) for each in (node, second)]
    spared = [await each.client(other, v1=True) for each in (node, second)]
    await node.store.revocations.revoke(of_token(stolen))
    for socket in sockets:
        assert await socket.closed() == Close.TOKEN_REJECTED
    for each in (node, second):
        assert await refusal(each, stolen) == 401
    for socket in spared:
        assert await socket.is_silent()


async def test_all_tokens_of_a_user_are_revoked_but_later_ones(node: House, second: House) -> None:
    anns = [await each.client(token("ann")) for each in (node, second)]
    bob = await node.client(token("bob"))
    await second.store.revocations.revoke(of_user("ann", after_s=1))
    for ann in anns:
        assert await ann.closed() == Close.TOKEN_REJECTED
    assert await bob.is_silent()
    revoked = principal(token("ann"))
    later = replace(revoked, issued=(revoked.issued or 0) + 10)
    is_revoked = node.node.doorkeeper._is_revoked
    assert (is_revoked(revoked), is_revoked(later)) == (True, False)


async def test_a_restored_token_is_let_in_again(node: House) -> None:
    bearer = token()
    client = await node.client(bearer)
    await node.store.revocations.revoke(of_token(bearer))
    assert await client.closed() == Close.TOKEN_REJECTED
    assert await node.store.revocations.lift("t1", token_id=principal(bearer).token_id)
    await until(lambda: not node.node.doorkeeper._is_revoked(principal(bearer)))
    assert await (await node.client(bearer)).is_silent()


async def test_a_job_goes_on_when_its_token_is_revoked(node: House) -> None:
    """What was submitted while the token held is done; its outcome waits for another one."""
    stolen = token()
    client = await node.client(stolen, v1=True)
    job = await node.running(client, "r1")
    await node.store.revocations.revoke(of_token(stolen))
    assert await client.closed() == Close.TOKEN_REJECTED
    await node.requests.complete(job, b'"done"', 2)
    again = await node.client(token(), v1=True)
    await again.resume("r1")
    assert (await again.next("complete"))["result"] == "done"


async def test_a_node_knows_what_is_revoked_before_it_is_ready(tmp_path: Path, node: House) -> None:
    stolen = token()
    await node.store.revocations.revoke(of_token(stolen))
    async with house(tmp_path, session_beat_s=NEVER_S / 3, session_dead_s=NEVER_S) as late:
        await until(lambda: late.node.health.store_was_seen)
        assert await refusal(late, stolen) == 401


async def test_an_idle_node_asks_for_what_docs_queue_md_counts(tmp_path: Path) -> None:
    """The first beat, twice; then what is read once per beat (workers, revocations) and more seldom (nodes)."""
    async with house(tmp_path, session_beat_s=NEVER_S / 3, session_dead_s=NEVER_S) as node:

        def calls(verb: str, count: int) -> bool:
            sample = f'streamer_store_seconds_count{{verb="{verb}"}} {count:.1f}'
            return sample in node.node.metrics.exposition().decode().splitlines()

        await until(lambda: calls("beat", 2) and calls("list_nodes", 3))


async def test_keys_change_under_open_sockets(tmp_path: Path) -> None:
    async with serving("i") as (issuer,), house(tmp_path, jwt_secret=None, jwt_jwks_url=issuer.url) as node:
        await until(lambda: issuer.asked)
        before = await node.client(issuer.token(), v1=True)
        issuer.rotate("k2")
        after = await node.client(issuer.token(), v1=True)
        await issuer.stop()
        later = await node.client(issuer.token(), v1=True)
        for client in (before, after, later):
            assert await client.is_silent()
        assert issuer.asked == 2
        await issuer.start()


async def test_a_node_starts_without_its_issuer(tmp_path: Path) -> None:
    async with serving("i") as (issuer,):
        await issuer.stop()
        async with house(tmp_path, jwt_secret=None, jwt_jwks_url=issuer.url) as node:
            await until(lambda: node.node.health.store_was_seen)
            assert await refusal(node, issuer.token()) == 503
            await issuer.start()

            async def comes_in() -> bool:
                headers = {"Authorization": f"Bearer {issuer.token()}"}
                with contextlib.suppress(InvalidStatus):
                    async with connect(node.ws_url, additional_headers=headers):
                        return True
                return False

            await until(comes_in)
