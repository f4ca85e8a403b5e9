"""`streamer jobs` on a store, with a node and a worker that are told of it."""

import asyncio
import json
import re
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from streamer.cli.program import program
from streamer.cli.sentences import INTERRUPTED
from streamer.cluster.handover import HINT
from streamer.cluster.lanes import DELIVER
from streamer.cluster.registry import APP, WORKER
from streamer.errors import StoreUnavailable
from streamer.jobs import ids
from streamer.jobs.model import Failure, Job, Progress, Status
from streamer.store.base import Subscription, now_ms
from streamer.store.sqlite.nodes import SqliteNodes
from tests.integration.cli.peer import Peer
from tests.support.jobs import DAY_MS, OOPS
from tests.support.store import Scene

CANCEL = "/internal/cancel"
ROOM = {"queues": ["default"], "actions": ["report"], "free": 1}


async def jobs(*arguments: str, typed: str | None = None) -> Result:
    """Runs the command in a thread of its own, as it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, program, ["jobs", *arguments], input=typed)


async def failed(scene: Scene, client_id: str = "r1", **fields: Any) -> Job:
    return await scene.store.requests.fail(await scene.running(client_id, **fields), OOPS, 1)


def printed(result: Result) -> list[Any]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


# --- list, count and show ---------------------------------------------------------------------------------------


async def test_what_stands_in_a_queue_is_listed(scene: Scene) -> None:
    running = await scene.running("running")
    await scene.store.requests.save_progress(running, Progress(40, "Reading\x1b[2J"), 1)
    await scene.submit("waiting")
    await scene.submit("delayed", delay_ms=7_800_000)
    await failed(scene, "dead")
    listed = await jobs("list")
    header, *lines = listed.stdout.splitlines()
    assert header.split() == ["JOB", "STATUS", "ACTION", "TENANT", "USER", "ATTEMPT", "CREATED"]
    assert [line.split()[1] for line in lines] == ["PROCESSING", "PENDING", "PENDING", "FAILED"]
    assert lines[0].endswith("40 % Reading\ufffd[2J")
    assert lines[2].endswith("due in 1 h" if "in 1 h" in lines[2] else "due in 2 h")
    assert lines[3].endswith("PROCESSING_FAILED 10 min ago e1")
    assert (listed.exit_code, listed.stderr) == (0, "")


async def test_a_list_for_pipes_has_a_line_of_json_for_each(scene: Scene) -> None:
    dead = await failed(scene)
    await scene.submit("other")
    [told] = printed(await jobs("list", "--status", "dead", "--json"))
    assert (told["job_id"], told["request_id"], told["status"]) == (dead.job_id, "r1", "FAILED")
    assert told["error"] == {"code": OOPS.code, "message": OOPS.message, "details": {"error_id": "e1"}}
    assert told["ended"].endswith("Z")
    assert not {"payload", "result", "due", "owner"} & told.keys()


async def test_a_list_is_filtered_and_limited(scene: Scene) -> None:
    for number in range(5):
        await scene.submit(f"r{number}", action="even" if number % 2 == 0 else "odd")
    await scene.submit("theirs", tenant="other", action="even")
    of_acme = printed(await jobs("list", "--action", "even", "--tenant", "acme", "--json"))
    assert {told["request_id"] for told in of_acme} == {"r0", "r2", "r4"}
    assert len(printed(await jobs("list", "--limit", "2", "--json"))) == 2
    assert (await jobs("list", "--queue", "other")).stdout == ""


async def test_the_jobs_of_a_user_include_those_that_ended(scene: Scene) -> None:
    await scene.store.requests.complete(await scene.running("done"), b"1", 1)
    scene.clock.advance(1)
    await scene.submit("waiting")
    arguments = ["list", "--user", "ann", "--tenant", "acme", "--json"]
    assert [told["status"] for told in printed(await jobs(*arguments))] == ["PENDING", "COMPLETED"]
    assert [told["status"] for told in printed(await jobs(*arguments, "--status", "waiting"))] == ["PENDING"]


async def test_an_empty_list_is_a_sentence(scene: Scene) -> None:
    del scene
    for arguments in (["list"], ["list", "--json"]):
        result = await jobs(*arguments)
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "There is no such job.\n")


async def test_a_queue_is_counted(scene: Scene) -> None:
    await scene.submit("a")
    await scene.submit("b")
    await failed(scene, "c")
    assert printed(await jobs("count", "--json")) == [{"running": 0, "waiting": 2, "delayed": 0, "dead": 1}]
    lines = (await jobs("count")).stdout.splitlines()
    assert [line.split() for line in lines] == [["running", "waiting", "delayed", "dead"], ["0", "2", "0", "1"]]


async def test_a_job_is_shown_without_its_contents(scene: Scene) -> None:
    dead = await failed(scene, payload=b'{"secret":1}', metadata={"secret": 2}, max_retries=2)
    again = await scene.store.requests.redrive(dead.job_id)
    result = await jobs("show", dead.job_id)
    told = {line.split()[0]: line for line in result.stdout.splitlines()}
    assert told["redriven_as"].split()[1] == again.job_id
    assert told["ended"].endswith("Z  (10 min ago)")
    assert "e1" in told["error"]
    assert "secret" not in result.stdout
    [shown] = printed(await jobs("show", dead.job_id, "--json"))
    assert (shown["retries"], shown["max_retries"], shown["attempt"]) == (0, 2, 1)


async def test_contents_are_shown_where_asked_for(scene: Scene) -> None:
    job = await scene.running(payload=b'{"n":[1]}', metadata={"m": 2})
    await scene.store.requests.complete(job, b'{"url":"x"}', 1)
    [told] = printed(await jobs("show", job.job_id, "--payload", "--json"))
    assert (told["payload"], told["metadata"], told["result"]) == ({"n": [1]}, {"m": 2}, {"url": "x"})
    assert 'payload          {"n":[1]}' in (await jobs("show", job.job_id, "--payload")).stdout


async def test_contents_that_are_gone_are_said_to_be(scene: Scene) -> None:
    dead = await failed(scene, payload=b'"%s"' % (b"x" * 9_000))
    await scene.store.admin.erase_beside([dead])
    result = await jobs("show", dead.job_id, "--payload")
    assert (result.exit_code, result.stderr) == (0, "Its payload is gone.\n")


async def test_a_running_job_shows_its_owner_and_progress(scene: Scene) -> None:
    running = await scene.running()
    await scene.store.requests.save_progress(running, Progress(40, "Reading", {"secret": 1}), 1)
    [told] = printed(await jobs("show", running.job_id, "--json"))
    assert (told["owner"], told["progress"]) == ("session-a", {"percentage": 40, "message": "Reading"})


@pytest.mark.parametrize("command", [["show"], ["cancel"], ["redrive"], ["purge", "--yes"]])
async def test_an_unknown_id_is_a_sentence(scene: Scene, command: list[str]) -> None:
    del scene
    result = await jobs(*command, "0" * 32)
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (1, "", 1)
    assert "0" * 32 in result.stderr


async def test_a_store_that_is_not_there_is_a_sentence(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del scene
    monkeypatch.setenv("STREAMER_STORE", f"sqlite:///{tmp_path}/never.db")
    result = await jobs("list")
    assert (result.exit_code, len(result.stderr.splitlines())) == (3, 1)


# --- cancel -----------------------------------------------------------------------------------------------------


async def test_a_running_job_is_cancelled_by_its_worker_at_once(scene: Scene) -> None:
    worker = Peer()
    running = await scene.running(session=worker.node_id)
    async with worker.serving(scene.store, WORKER, ROOM):
        result = await jobs("cancel", running.job_id)
    assert (result.exit_code, result.stdout) == (0, "Its worker is stopping it.\n")
    assert worker.jobs(CANCEL) == [running.job_id]
    assert (await scene.row(running)).cancel_requested_ms is not None


@pytest.mark.parametrize("fault", ["gone", "refuses", "without a key", "no registry"])
async def test_a_worker_that_is_not_told_finds_out_by_itself(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    worker = Peer()
    worker.status = 503 if fault == "refuses" else 200
    running = await scene.running(session="somebody" if fault == "gone" else worker.node_id)
    if fault == "without a key":
        monkeypatch.delenv("STREAMER_CLUSTER_KEY_ID")
    if fault == "no registry":
        monkeypatch.setattr(SqliteNodes, "list", away)
    async with worker.serving(scene.store, WORKER, ROOM):
        result = await jobs("cancel", running.job_id)
    assert (result.exit_code, result.stdout) == (0, "It is stopped within 20 s.\n")
    assert (await scene.row(running)).cancel_requested_ms is not None


async def away(*_: object) -> None:
    raise StoreUnavailable


async def test_who_waits_for_a_waiting_job_is_told_of_its_cancel(scene: Scene) -> None:
    node = Peer()
    connection, watcher = (ids.connection_id(node.node_id) for _ in range(2))
    job = await scene.submit(connection=connection)
    await scene.store.subscriptions.subscribe(
        Subscription(job_id=job.job_id, connection_id=watcher, tenant="acme", user="bob", expires_ms=now_ms() + DAY_MS)
    )
    await scene.store.requests.watched(job)
    async with node.serving(scene.store, APP, {}):
        result = await jobs("cancel", job.job_id)
    assert (result.exit_code, result.stdout, result.stderr) == (0, "Cancelled.\n", "")
    assert (await scene.row(job)).status is Status.CANCELLED
    [(path, body)] = node.calls
    meta, frame = (json.loads(line) for line in body.splitlines())
    assert (path, meta["k"], meta["j"], set(meta["c"])) == (DELIVER, "outcome", job.job_id, {connection, watcher})
    assert (frame["type"], frame["error"]["code"], frame["final"]) == ("error", "CANCELLED", True)
    assert await scene.store.subscriptions.list_by_request(job.job_id) == []


async def test_a_waiting_job_is_cancelled_though_nobody_can_be_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await scene.submit("r1", connection=ids.connection_id(ids.boot_id()))
    monkeypatch.setattr(SqliteNodes, "list", away)
    assert (await jobs("cancel", first.job_id)).stdout == "Cancelled.\n"
    monkeypatch.delenv("STREAMER_CLUSTER_SECRET")
    second = await scene.submit("r2", connection=ids.connection_id(ids.boot_id()))
    assert (await jobs("cancel", second.job_id)).stdout == "Cancelled.\n"


async def test_a_cancel_again_is_no_fault(scene: Scene) -> None:
    gone = await scene.cancel(await scene.submit("gone"))
    assert (await jobs("cancel", gone.job_id)).stdout == "Cancelled.\n"


async def test_a_cancel_that_comes_too_late_is_one(scene: Scene) -> None:
    done = await scene.store.requests.complete(await scene.running("done"), b"1", 1)
    result = await jobs("cancel", done.job_id)
    assert (result.exit_code, result.stdout) == (1, "It had ended before: COMPLETED.\n")


# --- redrive ----------------------------------------------------------------------------------------------------


async def test_a_redriven_job_is_offered_to_a_worker(scene: Scene) -> None:
    dead = await failed(scene)
    async with Peer().serving(scene.store, WORKER, ROOM) as worker:
        result = await jobs("redrive", dead.job_id)
    again = result.stdout.strip()
    assert (await scene.row(dead)).redriven_as == again
    assert [job["id"] for job in worker.jobs(HINT)] == [again]


async def test_a_redrive_is_audited_on_stderr(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = await failed(scene, "r1"), await failed(scene, "r2")
    monkeypatch.setattr("getpass.getuser", lambda: "ops")
    single = await jobs("redrive", one.job_id)
    monkeypatch.setattr("getpass.getuser", nobody)
    every = await jobs("redrive", "--all", "--action", "report")
    for result, dead, who in ((single, one, "ops"), (every, other, None)):
        (line,) = result.stderr.splitlines()
        fields = dict(re.findall(r"(\w+)=(\S+)", re.sub(r"\x1b\[[0-9;]*m", "", line)))
        assert (fields["verb"], fields["redrive_of"], fields["owner"]) == ("redrive", dead.job_id, "ann")
        assert fields.get("operator") == who


def nobody() -> str:
    raise KeyError("getpwuid(): uid not found")


async def test_a_redrive_needs_nobody_who_is_told(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = await failed(scene, "r1"), await failed(scene, "r2")
    monkeypatch.setattr(SqliteNodes, "list", quietly_empty_then(away))
    assert (await jobs("redrive", first.job_id)).exit_code == 0
    monkeypatch.delenv("STREAMER_CLUSTER_KEY_ID")
    assert (await jobs("redrive", second.job_id)).exit_code == 0
    assert (await jobs("list", "--status", "dead")).stdout == ""


def quietly_empty_then(after: Any) -> Any:
    """The registry, empty for whoever asks for places in the queue, and away for whoever looks for workers."""

    async def listed(self: object, kind: str) -> Any:
        return await after(self) if kind == WORKER else []

    return listed


async def test_all_dead_letters_of_an_action_are_redriven(scene: Scene) -> None:
    for number in range(3):
        await failed(scene, f"r{number}")
    await failed(scene, "other", action="other")
    result = await jobs("redrive", "--all", "--action", "report")
    assert (result.exit_code, result.stdout) == (0, "3 redriven.\n")
    assert (await jobs("redrive", "--all", "--action", "report")).stdout == "0 redriven.\n"
    assert [told["action"] for told in printed(await jobs("list", "--status", "dead", "--json"))] == ["other"]


async def test_dead_letters_without_a_payload_are_passed_over(scene: Scene) -> None:
    dead = await failed(scene, payload=b'"%s"' % (b"x" * 9_000))
    await scene.store.admin.erase_beside([dead])
    result = await jobs("redrive", "--all", "--action", "report")
    assert result.stdout == "0 redriven, 1 passed over because their payload is gone.\n"


# --- purge ------------------------------------------------------------------------------------------------------


async def test_a_dead_letter_is_purged_after_a_yes(scene: Scene) -> None:
    dead = await failed(scene)
    refused = await jobs("purge", dead.job_id, typed="n\n")
    assert refused.exit_code == 1
    assert f"Delete the dead letter {dead.job_id} for good?" in refused.stderr
    assert await scene.row(dead) == dead
    assert (await jobs("purge", dead.job_id, typed="y\n")).stdout.endswith("1 purged.\n")
    assert await scene.store.requests.get(dead.job_id) is None


async def test_old_dead_letters_are_purged(scene: Scene) -> None:
    await failed(scene, "old")
    scene.clock.advance(540_000)
    await failed(scene, "new")
    await failed(scene, "other", action="other")
    asked = await jobs("purge", "--all", "--action", "report", "--older-than", "5m", typed="y\n")
    assert "all dead letters of report in the queue default older than 5m for good?" in asked.stderr
    assert asked.stdout.endswith("1 purged.\n")
    assert (await jobs("purge", "--all", "--yes")).stdout == "2 purged.\n"


# --- what is not understood, and Ctrl-C -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--user", "ann"],
        ["list", "--status", "lost"],
        ["redrive"],
        ["redrive", "--all"],
        ["redrive", "0" * 32, "--all"],
        ["redrive", "0" * 32, "--action", "report"],
        ["purge", "--yes"],
        ["purge", "--yes", "0" * 32, "--older-than", "7d"],
        ["purge", "--yes", "--all", "--older-than", "soon"],
    ],
)
def test_a_command_that_is_not_understood_is_exit_code_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(program, ["jobs", *arguments])
    assert (result.exit_code, result.stdout) == (2, "")


def test_ctrl_c_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(coroutine: Coroutine[Any, Any, Any]) -> None:
        coroutine.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio, "run", interrupted)
    result = CliRunner().invoke(program, ["jobs", "redrive", "--all", "--action", "report"])
    assert result.exit_code == INTERRUPTED
    assert result.stderr.startswith("Stopped; what is done is done")


async def test_an_error_may_have_no_details(scene: Scene) -> None:
    await scene.store.requests.fail(await scene.running(), Failure("MY_CODE", "No."), 1)
    assert (await jobs("list")).stdout.splitlines()[1].endswith("MY_CODE 10 min ago")
