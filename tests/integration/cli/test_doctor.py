"""`streamer doctor` beside what really is wrong: ports, files, issuers, tokens, modules, and other key pairs."""

import asyncio
import json
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
import pytest
from typer.testing import CliRunner

from streamer.cli.program import program
from streamer.cluster.registry import APP, WORKER
from streamer.errors import StoreUnavailable
from streamer.store.base import Store, now_ms
from streamer.store.open import open_store
from streamer.store.revocations import Revocation
from tests.integration.cli.peer import KEY, Peer
from tests.support.issuer import Issuer
from tests.support.jobs import DAY_MS
from tests.support.ports import free_port

SECRET = "a secret of at least thirty-two bytes"
PORTS = ("STREAMER_PORT", "STREAMER_INTERNAL_PORT", "STREAMER_WORKER_PORT")

Findings = list[dict[str, Any]]


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With which nothing is wrong."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("STREAMER_", "AWS_"))]:
        monkeypatch.delenv(name)
    given = {"STREAMER_JWT_SECRET": SECRET, "STREAMER_STORE": f"sqlite:///{tmp_path}/streamer.db"}
    key = {"STREAMER_CLUSTER_KEY_ID": KEY.key_id, "STREAMER_CLUSTER_SECRET": KEY.secret}
    for name, value in (given | key | dict.fromkeys(PORTS, "0")).items():
        monkeypatch.setenv(name, value)


def doctor(*arguments: str, **env: str) -> tuple[int, Findings]:
    result = CliRunner(env=env).invoke(program, ["doctor", "--json", *arguments])
    told = json.loads(result.stdout)
    assert told["ok"] == (result.exit_code == 0)
    return result.exit_code, told["findings"]


def only_fault(found: tuple[int, Findings]) -> dict[str, Any]:
    code, findings = found
    faults = [finding for finding in findings if finding["verdict"] == "wrong"]
    assert code == 1
    assert len(faults) == 1, faults
    assert faults[0]["remedy"]
    return faults[0]


def of(check: str, found: tuple[int, Findings]) -> dict[str, Any]:
    return next(finding for finding in found[1] if finding["check"] == check)


def test_where_nothing_is_wrong_it_says_so() -> None:
    code, found = doctor()
    assert code == 0
    assert [finding["check"] for finding in found] == ["settings", "auth", "store", "ports", "actions"]
    assert {finding["verdict"] for finding in found} == {"ok"}


def test_people_read_a_line_for_each_and_what_to_do_below() -> None:
    result = CliRunner(env={"STREAMER_ACTIONS": "no.such.module"}).invoke(program, ["doctor"])
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert lines[0].startswith("ok       settings     5 of ") or "are set" in lines[0]
    assert lines[-2].startswith("wrong    actions      The module no.such.module cannot be imported")
    assert lines[-1].strip().startswith("Correct the module, or STREAMER_ACTIONS")


def test_settings_that_are_not_understood_are_named_all_at_once() -> None:
    fault = only_fault(doctor(STREAMER_PORT="no", STREAMER_TTL_S="-1"))
    assert "STREAMER_PORT" in fault["what"]
    assert "STREAMER_TTL_S" in fault["what"]


def test_settings_that_do_not_go_together_are_named() -> None:
    assert "STREAMER_SESSION_DEAD_S" in only_fault(doctor(STREAMER_SESSION_DEAD_S="1"))["what"]


def test_a_misspelt_setting_is_recognised() -> None:
    found = doctor(STREAMER_PROT="1", STREAMER_URL="http://x", STREAMER_TOKEN="a.b.c", STREAMER_COMPLETELY_ELSE="1")
    assert [finding["remedy"] for finding in found[1] if finding["verdict"] == "unknown"] == [
        "Did you mean STREAMER_PORT?"
    ]


# --- auth ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "what"),
    [
        ({"STREAMER_JWT_SECRET": "short"}, "at least 32 bytes"),
        ({"STREAMER_JWT_SECRET": ""}, "Set STREAMER_JWT_SECRET"),
        ({"STREAMER_JWT_SECRET": "", "STREAMER_JWT_PUBLIC_KEY": "no key"}, "is not a public key in PEM"),
    ],
)
def test_a_bad_secret_is_named(env: Mapping[str, str], what: str) -> None:
    fault = only_fault(doctor(**env))
    assert (fault["check"], what in fault["what"]) == ("auth", True)


async def test_the_issuer_is_asked_for_its_keys() -> None:
    issuer = Issuer()
    await issuer.start()
    env = {"STREAMER_JWT_SECRET": "", "STREAMER_JWT_JWKS_URL": issuer.url}
    there = await asyncio.to_thread(doctor, "--token", issuer.token(), **env)
    assert "serves 1 keys" in of("auth", there)["what"]
    assert of("token", there)["verdict"] == "ok"
    issuer.document = {"keys": []}
    assert "there is no key for checking tokens in it" in only_fault(await asyncio.to_thread(doctor, **env))["what"]
    await issuer.stop()
    away = await asyncio.to_thread(doctor, "--token", issuer.token(), **env)
    assert "gives no keys" in only_fault(away)["what"]
    assert of("token", away)["verdict"] == "unknown"


def signed(secret: str = SECRET, **claims: Any) -> str:
    whole = {"sub": "ann", "tenant_id": "acme", "exp": int(time.time()) + 3_600, **claims}
    return jwt.encode({name: value for name, value in whole.items() if value is not None}, secret, "HS256")


@pytest.mark.parametrize(
    ("token", "why", "env"),
    [
        (signed(exp=int(time.time()) - 3600), "it expired 1 h ago", {}),
        (signed("another secret of thirty-two bytes"), "signed with another key", {}),
        (signed(tenant_id=None), "it lacks the claim tenant_id", {}),
        (signed(aud="them"), "it is not for the audience us", {"STREAMER_JWT_AUDIENCE": "us"}),
        (signed(iss="them"), "its issuer is not us", {"STREAMER_JWT_ISSUER": "us"}),
        (jwt.encode({}, SECRET * 2, "HS512"), "its algorithm is not accepted", {}),
        (signed(nbf=int(time.time()) + 3_600), "not yet valid", {}),
        (signed(sub=""), "a name in the token is no string, or empty", {}),
        ("nonsense", "it is not a JWT", {}),
        (signed(), "its tenant is not one of STREAMER_ALLOWED_TENANTS", {"STREAMER_ALLOWED_TENANTS": "others"}),
    ],
)
def test_why_a_token_is_refused(token: str, why: str, env: Mapping[str, str]) -> None:
    fault = only_fault(doctor("--token", token, **env))
    assert fault["check"] == "token"
    assert why in fault["what"]


def test_a_token_that_holds_is_read() -> None:
    what = of("token", doctor("--token", signed(permissions=["a", "b"])))["what"]
    assert what == "It holds: user ann of tenant acme, permissions a, b."


# --- the store file -----------------------------------------------------------------------------------------


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    fault = only_fault(doctor(STREAMER_STORE=f"sqlite:///{tmp_path}/file/streamer.db"))
    assert fault["what"] == f"{tmp_path}/file is no folder, so {tmp_path}/file/streamer.db cannot be made."


@pytest.mark.parametrize(("forbidden", "what"), [("", "may not be written to"), ("streamer.db", "may not be read")])
def test_what_this_account_may_not_do_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forbidden: str, what: str
) -> None:
    (tmp_path / "streamer.db").touch()
    monkeypatch.setattr(os, "access", lambda path, _mode: path != tmp_path / forbidden)  # tests may run as root
    assert what in only_fault(doctor())["what"]


def test_a_file_without_tables_and_one_that_is_no_database_are_told(tmp_path: Path) -> None:
    (tmp_path / "streamer.db").touch()
    assert "lacks tables" in only_fault(doctor())["what"]
    (tmp_path / "streamer.db").write_bytes(b"not a database" * 100)
    assert "file is not a database" in only_fault(doctor())["what"]


def test_a_store_that_there_is_not_is_told() -> None:
    assert "STREAMER_STORE is" in only_fault(doctor(STREAMER_STORE="redis://x"))["what"]


# --- ports --------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_told_with_who_has_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fault = only_fault(doctor(STREAMER_INTERNAL_PORT=str(port)))
    assert fault["what"].startswith(f"Port {port} of 127.0.0.1 is taken by ")
    assert f"(process {os.getpid()})" in fault["what"]
    assert "STREAMER_INTERNAL_PORT" in fault["remedy"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::1"])
def test_any_address_can_be_taken(host: str) -> None:
    with socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET) as taken:
        port = taken.getsockname()[1]
        fault = only_fault(doctor(STREAMER_INTERNAL_HOST=host, STREAMER_WORKER_PORT=str(port)))
    assert fault["what"].startswith(f"Port {port} of {host} is taken")


def test_an_address_that_is_not_of_this_machine_is_told() -> None:
    fault = only_fault(doctor(STREAMER_HOST="192.0.2.1", STREAMER_PORT=str(free_port())))
    assert "cannot be listened on" in fault["what"]


# --- other processes ----------------------------------------------------------------------------------------


@pytest.fixture
async def store(tmp_path: Path) -> Any:
    async with open_store(f"sqlite:///{tmp_path}/streamer.db") as opened:
        await opened.create()
        yield opened


async def test_a_process_with_another_key_pair_is_named(store: Store) -> None:
    good, bad = Peer(), Peer()
    bad.status = 403
    async with good.serving(store, WORKER, {}), bad.serving(store, WORKER, {}):
        await store.nodes.beat(APP, "gone", {"endpoint": "http://127.0.0.1:1"})
        found = await asyncio.to_thread(doctor)
    fault = only_fault(found)
    assert f"worker {bad.node_id}" in fault["what"]
    assert "has another cluster key pair" in fault["what"]
    verdicts = {finding["verdict"]: finding["what"] for finding in found[1] if finding["check"] == "cluster"}
    assert verdicts["ok"] == "1 of 3 registered processes have this key pair."
    assert verdicts["unknown"] == "The node gone at http://127.0.0.1:1 does not answer."
    assert good.jobs("/internal/flush") == []


async def test_a_running_process_on_a_port_is_no_fault_if_it_is_one_of_ours(store: Store) -> None:
    peer = Peer()
    async with peer.serving(store, APP, {}):
        endpoint = (await store.nodes.list(APP))[0].info["endpoint"]
        code, found = await asyncio.to_thread(doctor, STREAMER_PORT=endpoint.rpartition(":")[2])
    assert code == 0
    assert of("ports", (code, found))["verdict"] == "unknown"


def revocation(**of: str) -> Revocation:
    now = now_ms()
    return Revocation(tenant="acme", revoked_ms=now - 60_000, expires_ms=now + DAY_MS, **of)


@pytest.mark.parametrize(
    ("of_whom", "claims", "what"),
    [
        ({"user": "ann"}, {}, "It was taken back 1 min ago."),
        ({"user": "bob"}, {}, None),
        ({"token_id": "j1", "reason": "lost"}, {"jti": "j1"}, "It was taken back 1 min ago (lost)."),
        ({"token_id": "j1"}, {"jti": "j2"}, None),
        ({"token_id": "j1"}, {"jti": "j1", "tenant_id": "others"}, None),
    ],
)
async def test_a_token_that_was_taken_back(
    store: Store, of_whom: Mapping[str, str], claims: Mapping[str, Any], what: str | None
) -> None:
    await store.revocations.revoke(revocation(**of_whom))
    found = await asyncio.to_thread(doctor, "--token", signed(**claims))
    if what is None:
        assert found[0] == 0
    else:
        assert only_fault(found)["what"] == what


async def test_a_token_that_was_issued_since_then_holds(store: Store) -> None:
    await store.revocations.revoke(revocation(user="ann"))
    code, _ = await asyncio.to_thread(doctor, "--token", signed(iat=int(time.time())))
    assert code == 0


async def test_where_revocations_cannot_be_read_that_is_said(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(store.nodes), "list", away)
    _, found = await asyncio.to_thread(doctor, "--token", signed())
    unknown = [finding["what"] for finding in found if finding["verdict"] == "unknown"]
    assert unknown[0].startswith("Whether it was taken back cannot be read")


async def away(*_: object) -> None:
    raise StoreUnavailable


async def test_where_nobody_is_registered_or_that_cannot_be_read_nothing_is_wrong(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = await asyncio.to_thread(doctor)
    assert (alone[0], of("cluster", alone)["verdict"]) == (0, "ok")

    monkeypatch.setattr(type(store.nodes), "list", away)
    away_now = await asyncio.to_thread(doctor)
    assert (away_now[0], of("cluster", away_now)["verdict"]) == (0, "unknown")


async def test_where_nobody_agrees_nothing_is_said_of_those_who_do(store: Store) -> None:
    await store.nodes.beat(WORKER, "strange", {"endpoint": "no url"})
    found = [finding for finding in (await asyncio.to_thread(doctor))[1] if finding["check"] == "cluster"]
    assert [finding["verdict"] for finding in found] == ["unknown"]


def test_without_a_key_pair_it_is_told() -> None:
    fault = only_fault(doctor(STREAMER_CLUSTER_SECRET=""))
    assert (fault["check"], "Set STREAMER_CLUSTER_KEY_ID" in fault["what"]) == ("cluster", True)


# --- what `streamer dev` would have ------------------------------------------------------------------------


def test_dev_needs_no_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("STREAMER_") and name not in PORTS]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    assert doctor("--dev")[0] == 0
    assert not (tmp_path / ".streamer").exists()


def test_an_action_that_is_declared_twice_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "import streamer\n@streamer.action('echo')\ndef mine():\n    return 1\n"
    (tmp_path / "doctors_double.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    assert "echo" in only_fault(doctor(STREAMER_ACTIONS="doctors_double"))["what"]
