"""`streamer data delete`: nothing of a user, or of a tenant, is left."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from streamer.cli import data
from streamer.cli.program import program
from streamer.cluster.registry import WORKER
from streamer.store.base import Chunk, Store
from tests.integration.cli.peer import Peer
from tests.support.store import Scene


async def delete(*arguments: str, typed: str | None = None) -> Result:
    """Runs the command in a thread of its own, as it has a loop of its own."""
    command = ["data", "delete", *arguments]
    return await asyncio.to_thread(CliRunner().invoke, program, command, input=typed)


def counts(result: Result) -> Any:
    """The last line; before it there may be what was typed."""
    return json.loads(result.stdout.splitlines()[-1])


@pytest.fixture(autouse=True)
def waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(data, "END_S", 0.0)
    monkeypatch.setattr(data, "UNTOLD_END_S", 0.001)
    return iter(())


async def test_a_user_is_deleted_after_a_yes(scene: Scene) -> None:
    await scene.submit("mine", durable=True)
    theirs = await scene.submit("theirs", user="bob")
    refused = await delete("--tenant", "acme", "--user", "ann", typed="n\n")
    assert refused.exit_code == 1
    assert "Delete everything of the user ann of acme for good?" in refused.stderr
    assert await scene.store.requests.get(scene.job_id("mine")) is not None
    result = await delete("--tenant", "acme", "--user", "ann", typed="y\n")
    assert counts(result) == {"jobs": 1, "items": 1, "watches": 0, "connections": 0}
    assert await scene.store.requests.get(scene.job_id("mine")) is None
    assert await scene.row(theirs) == theirs


async def test_a_tenant_is_deleted(scene: Scene) -> None:
    for user in ("ann", "bob"):
        await scene.submit(user=user)
    asked = await delete("--tenant", "acme", typed="y\n")
    assert "Delete everything of the tenant acme for good?" in asked.stderr
    assert counts(asked)["jobs"] == 2
    assert counts(await delete("--tenant", "acme", "--yes"))["jobs"] == 0


@pytest.mark.parametrize("is_told", [True, False])
async def test_what_runs_is_stopped_before_its_last_output_is_deleted(scene: Scene, is_told: bool) -> None:
    worker = Ending(scene.store)
    running = await scene.running(session=worker.node_id if is_told else "somebody")
    worker.chunk = Chunk(0, running.attempt, 1, b"1")
    worker.job = running
    async with worker.serving(scene.store, WORKER, {}):
        result = await delete("--tenant", "acme", "--user", "ann", "--yes")
    assert (result.exit_code, result.stderr) == (0, "Waiting for 1 attempts to end.\n")
    assert worker.jobs("/internal/cancel") == ([running.job_id] if is_told else [])
    assert await scene.store.events.read_events(running, 0) == []


class Ending(Peer):
    """A worker that stores one more piece of output when it is told to stop."""

    def __init__(self, store: Store) -> None:
        super().__init__()
        self.store = store
        self.job: Any = None
        self.chunk: Any = None

    async def _post(self, request: Any) -> Any:
        await self.store.events.append_events(self.job, [self.chunk])
        return await super()._post(request)
