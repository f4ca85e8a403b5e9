"""`streamer token revoke`, `revoked` and `restore`."""

import asyncio
import json
import time

import jwt
import pytest
from typer.testing import CliRunner, Result

from streamer.auth import issue_token
from streamer.cli.program import program
from streamer.store.base import now_ms
from streamer.store.revocations import Revocation
from tests.support.jobs import DAY_MS
from tests.support.store import Scene

SECRET = "0123456789abcdef0123456789abcdef"


async def token(*arguments: str, typed: str | None = None) -> Result:
    """Runs the command in a thread of its own, as it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, program, ["token", *arguments], input=typed)


async def standing(scene: Scene) -> list[Revocation]:
    return list(await scene.store.revocations.list())


def issued(**changes: object) -> str:
    given = {"user": "ann", "tenant": "acme", "permissions": [], "expires_in_s": 600, **changes}
    return issue_token(SECRET, **given)  # type: ignore[arg-type]  # what issue_token takes


def signed(**claims: object) -> str:
    whole = {"sub": "ann", "tenant_id": "acme", "exp": int(time.time()) + 600, "jti": "j1", **claims}
    return jwt.encode({name: value for name, value in whole.items() if value is not None}, SECRET)


async def test_all_tokens_of_a_user(scene: Scene) -> None:
    result = await token("revoke", "--tenant", "acme", "--user", "ann", "--reason", "lost laptop")
    assert result.exit_code == 0
    assert "audit" in result.stderr
    assert {"verb=revoke", "owner=ann", "owner_tenant=acme"} <= set(result.stderr.split())
    assert result.stdout.startswith("Revoked the user ann of acme until ")
    assert result.stdout.endswith("Z: seen within 2 s.\n")
    (found,) = await standing(scene)
    assert (found.tenant, found.user, found.token_id, found.reason) == ("acme", "ann", None, "lost laptop")
    assert found.expires_ms - found.revoked_ms == 7 * DAY_MS


async def test_a_token_by_its_id_for_so_long(scene: Scene) -> None:
    assert (await token("revoke", "--tenant", "acme", "--jti", "j1", "--for", "30d")).exit_code == 0
    (found,) = await standing(scene)
    assert (found.user, found.token_id, found.expires_ms - found.revoked_ms) == (None, "j1", 30 * DAY_MS)


@pytest.mark.parametrize("is_typed", [True, False])
async def test_the_token_itself_until_it_ends(scene: Scene, is_typed: bool) -> None:
    stolen = issued()
    given = await (token("revoke", "-", typed=f"{stolen}\n") if is_typed else token("revoke", stolen))
    assert given.exit_code == 0
    claims = jwt.decode(stolen, SECRET, algorithms=["HS256"])
    (found,) = await standing(scene)
    assert (found.tenant, found.token_id, found.expires_ms) == ("acme", claims["jti"], claims["exp"] * 1000)


async def test_the_token_itself_for_so_long(scene: Scene) -> None:
    assert (await token("revoke", issued(), "--tenant", "acme", "--for", "1d")).exit_code == 0
    (found,) = await standing(scene)
    assert found.expires_ms - found.revoked_ms == DAY_MS


async def test_what_is_revoked_is_listed(scene: Scene) -> None:
    now = now_ms()
    end = now + 2 * DAY_MS + 60_000
    for revocation in (
        Revocation(tenant="acme", user="ann", revoked_ms=now - 1, expires_ms=end),
        Revocation(tenant="other", token_id="j\n1", revoked_ms=now, expires_ms=end, reason="why"),
    ):
        await scene.store.revocations.revoke(revocation)
    lines = (await token("revoked")).stdout.splitlines()
    assert lines[0].split() == ["TENANT", "USER", "TOKEN", "ID", "REVOKED", "EXPIRES", "REASON"]
    assert [line.split()[0] for line in lines[1:]] == ["acme", "other"]
    assert "in 2 d" in lines[1]
    only = [json.loads(line) for line in (await token("revoked", "--tenant", "other", "--json")).stdout.splitlines()]
    assert [(each["tenant"], each["token_id"], each["reason"]) for each in only] == [("other", "j\n1", "why")]
    assert set(only[0]) == {"tenant", "token_id", "reason", "revoked", "expires"}


@pytest.mark.parametrize("options", [[], ["--json"]])
@pytest.mark.usefixtures("scene")
async def test_nothing_is_revoked(options: list[str]) -> None:
    result = await token("revoked", *options)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "Nothing is revoked.\n")


async def test_what_is_restored_is_revoked_no_more(scene: Scene) -> None:
    await token("revoke", "--tenant", "acme", "--user", "ann")
    stolen = issued()
    await token("revoke", stolen)
    restored = await token("restore", "--tenant", "acme", "--user", "ann")
    assert (restored.exit_code, restored.stdout) == (0, "Restored the user ann of acme.\n")
    assert "result=restored" in restored.stderr
    assert (await token("restore", stolen)).exit_code == 0
    assert await standing(scene) == []
    again = await token("restore", "--tenant", "acme", "--user", "ann")
    assert (again.exit_code, again.stderr) == (1, "Nothing was revoked of the user ann of acme.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Name one of --user, --jti and TOKEN."),
        (["--tenant", "acme"], "Name one of --user, --jti and TOKEN."),
        (["--tenant", "acme", "--user", "ann", "--jti", "j"], "Name one of --user, --jti and TOKEN."),
        (["--user", "ann"], "--user and --jti go with --tenant."),
        (["nonsense"], "This is not a token of a user and a tenant."),
        ([signed(tenant_id=None)], "This is not a token of a user and a tenant."),
        ([signed(sub="")], "This is not a token of a user and a tenant."),
        ([signed(exp=[])], "This is not a token of a user and a tenant."),
        ([signed(), "--tenant", "other"], "The token is one of the tenant acme."),
        ([signed(jti=None)], "The token has no id (jti): --tenant acme --user ann names all of its user's."),
    ],
)
async def test_what_cannot_be_revoked(scene: Scene, arguments: list[str], sentence: str) -> None:
    for command in ("revoke", "restore"):
        result = await token(command, *arguments)
        assert result.exit_code == 2
        assert sentence in " ".join(result.stderr.split())
    assert await standing(scene) == []


async def test_an_expired_token_needs_no_revocation(scene: Scene) -> None:
    result = await token("revoke", signed(exp=1))
    assert (result.exit_code, result.stderr) == (1, "This token has expired.\n")
    assert await standing(scene) == []


@pytest.mark.usefixtures("scene")
async def test_options_in_the_wrong_place() -> None:
    assert "Name a --user and a --tenant" in (await token()).stderr
    assert "Options of revoke come after its name." in (await token("--user", "ann", "revoke")).stderr
