"""What commands did, for programs: one JSON value on stdout."""

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner

from streamer.cli.program import program
from streamer.jobs.model import Failure
from tests.support.store import Scene

SECRET = "0123456789abcdef0123456789abcdef"


async def told(*arguments: str) -> Any:
    result = await asyncio.to_thread(CliRunner().invoke, program, [*arguments, "--json"])
    assert result.exit_code == 0, result.stderr
    (line,) = result.stdout.splitlines()
    return json.loads(line)


async def dead(scene: Scene, client_id: str) -> str:
    failed = await scene.store.requests.fail(await scene.running(client_id), Failure("BAD", "It broke."), 1)
    return failed.job_id


async def test_dead_letters(scene: Scene) -> None:
    ids = [await dead(scene, f"r{number}") for number in range(4)]
    again = await told("jobs", "redrive", ids[0])
    assert again == {"job_id": again["job_id"], "redrive_of": ids[0]}
    assert await told("jobs", "purge", ids[1], "--yes") == {"purged": 1}
    assert await told("jobs", "redrive", "--all", "--action", "report") == {"redriven": 2, "passed_over": 0}
    assert await told("jobs", "purge", "--all", "--yes") == {"purged": 0}


async def test_a_cancelled_job(scene: Scene) -> None:
    job = await scene.submit()
    assert await told("jobs", "cancel", job.job_id) == {"job_id": job.job_id, "status": "CANCELLED", "told": True}


@pytest.mark.usefixtures("scene")
async def test_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_JWT_SECRET", SECRET)
    issued = await told("token", "--user", "ann", "--tenant", "acme")
    assert issued.keys() == {"token", "expires_at"}
    revoked = await told("token", "revoke", issued["token"])
    assert revoked["tenant"] == "acme"
    restored = await told("token", "restore", issued["token"])
    assert restored == {"tenant": "acme", "user": None, "token_id": revoked["token_id"]}


async def test_tables(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    del scene
    monkeypatch.setenv("STREAMER_TABLE_PREFIX", "mine_")
    there = await told("tables", "create")
    assert (there["table_prefix"], there["store"].startswith("sqlite:///")) == ("mine_", True)
