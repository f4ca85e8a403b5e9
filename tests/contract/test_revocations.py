"""RevocationStore: what was taken back, until its time is over."""

from dataclasses import replace

import pytest

from streamer.jobs import ids
from streamer.store.revocations import Revocation
from tests.support.jobs import DAY_MS
from tests.support.store import Engine, Scene


def of_user(scene: Scene, user: str = "ann", *, days: float = 7) -> Revocation:
    now = scene.clock()
    return Revocation(tenant=scene.tenant, user=user, revoked_ms=now, expires_ms=now + int(days * DAY_MS))


def of_token(scene: Scene, token_id: str = "j1") -> Revocation:
    return replace(of_user(scene), user=None, token_id=token_id, reason="found ✓ in a log")


async def mine(scene: Scene) -> list[Revocation]:
    """Those of this test: all tests of an engine may share its tables."""
    return [each for each in await scene.store.revocations.list() if each.tenant == scene.tenant]


async def test_what_is_revoked_is_listed_the_earliest_first(engine: Engine, scene: Scene) -> None:
    first = of_token(scene, "a #✓\0 token")
    scene.clock.advance(1)
    second = of_user(scene, "a #✓ user")
    for each in (second, first):
        await scene.store.revocations.revoke(each)
    assert await mine(scene) == [first, second]
    async with engine.open(clock=scene.clock) as another:
        assert [each for each in await another.revocations.list() if each.tenant == scene.tenant] == [first, second]


async def test_again_is_no_more(scene: Scene) -> None:
    for _ in range(2):
        await scene.store.revocations.revoke(of_token(scene))
    assert await mine(scene) == [of_token(scene)]


async def test_a_shorter_one_does_not_end_the_first(scene: Scene) -> None:
    long = of_user(scene, days=7)
    await scene.store.revocations.revoke(long)
    scene.clock.advance(1_000)
    short = of_user(scene, days=1)
    await scene.store.revocations.revoke(short)
    assert await mine(scene) == [long, short]
    scene.clock.advance(DAY_MS)
    assert await mine(scene) == [long]


async def test_its_end_comes_to_the_millisecond(scene: Scene) -> None:
    revocation = of_user(scene)
    await scene.store.revocations.revoke(revocation)
    scene.clock.advance(7 * DAY_MS - 1)
    assert await mine(scene) == [revocation]
    scene.clock.advance(1)
    assert await mine(scene) == []


async def test_the_next_one_takes_expired_rows_away(scene: Scene) -> None:
    old, standing = of_token(scene, "old"), replace(of_user(scene), expires_ms=scene.clock() + 30 * DAY_MS)
    for each in (old, standing):
        await scene.store.revocations.revoke(each)
    scene.clock.advance(7 * DAY_MS)
    await scene.store.revocations.revoke(of_token(scene, "new"))
    rows = [row for row in await scene.store.nodes.list("revoked") if row.info["tenant"] == scene.tenant]
    assert {row.info["token_id"] for row in rows} == {"new", None}


async def test_what_is_lifted_is_gone_and_nothing_else(scene: Scene) -> None:
    same_name = [of_user(scene, "x"), of_token(scene, "x"), of_user(scene, "y")]
    for each in same_name:
        await scene.store.revocations.revoke(each)
    scene.clock.advance(1)
    await scene.store.revocations.revoke(of_user(scene, "x"))
    assert not await scene.store.revocations.lift(f"{scene.tenant}2", user="x")
    assert await scene.store.revocations.lift(scene.tenant, user="x")
    assert not await scene.store.revocations.lift(scene.tenant, user="x")
    assert sorted(await mine(scene), key=str) == sorted(same_name[1:], key=str)
    assert await scene.store.revocations.lift(scene.tenant, token_id="x")
    assert await mine(scene) == same_name[2:]


async def test_lifting_what_has_expired_changes_nothing(scene: Scene) -> None:
    await scene.store.revocations.revoke(of_user(scene))
    scene.clock.advance(7 * DAY_MS)
    assert not await scene.store.revocations.lift(scene.tenant, user="ann")


async def test_who_looks_for_processes_sees_no_revocations(scene: Scene) -> None:
    """A Streamer that knows nothing of them reads its own kinds only."""
    await scene.store.revocations.revoke(of_user(scene))
    kind = f"app-{ids.nonce()}"
    await scene.store.nodes.beat(kind, "n1", {})
    assert [row.node_id for row in await scene.store.nodes.list(kind)] == ["n1"]


@pytest.mark.parametrize("named", [{}, {"user": "u", "token_id": "j"}, {"user": ""}])
def test_a_revocation_is_of_one_thing(named: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="of a user or of a token"):
        Revocation(tenant="t", revoked_ms=1, expires_ms=2, **named)
