"""Two versions at once, as in the middle of a deploy: neither runs what it does not know, neither damages a row."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson

from streamer.jobs import ids, lifecycle
from streamer.jobs.model import SCHEMA_VERSION, Job, Submission
from streamer.store.base import now_ms
from streamer.store.sqlite.schema import MIGRATIONS
from tests.support import index, jobs
from tests.support.processes import processes
from tests.support.store import Engine
from tests.support.system import SETTINGS, System

PREVIOUS = "tests.support.acme,tests.support.previous_version"
CURRENT = "tests.support.acme,tests.support.faulty"
PAYLOAD = {"steps": 2, "step_s": 0.1, "say": "kept"}
UNKNOWN = {"later": {"M": {"deep": {"L": [{"S": "x"}, {"N": "1.5"}]}}}}
CANNOT_START = 2


def submission(request_id: str, **fields: Any) -> Submission:
    """What a client asks for that calls `steps` with PAYLOAD."""
    body, hashed = orjson.dumps(PAYLOAD), ids.payload_hash("steps", PAYLOAD)
    return jobs.submission(client_id=request_id, action="steps", payload=body, payload_hash=hashed, **fields)


async def put(streamer: System, request_id: str, **fields: Any) -> Job:
    """A row of this version, and what another one has written to it."""
    now = now_ms()
    row = replace(lifecycle.submit(submission(request_id), ids.nonce(), now, now), **fields)
    assert await index.rows_of(streamer.store).insert(row, now) is None
    return row


async def test_a_previous_worker_leaves_alone_what_it_does_not_know(on_dynamodb: System) -> None:
    url = await (await on_dynamodb.node(STREAMER_ACTIONS=CURRENT)).url()
    old = await on_dynamodb.worker(STREAMER_ACTIONS=PREVIOUS)
    marked = await put(on_dynamodb, "marked", unknown=UNKNOWN)
    await on_dynamodb.store.requests.enqueue(submission("limited", expires_in_ms=600_000))
    future = await put(on_dynamodb, "future", version=SCHEMA_VERSION + 1)
    async with on_dynamodb.client(url) as client:
        for name in ("marked", "limited", "future"):
            await client.request("steps", PAYLOAD, name)
            await client.expect("acknowledgment", request_id=name)
        await client.request("fill", {"size": 10}, "fill")
        await client.request("steps", {"steps": 1}, "plain")
        for name in ("marked", "plain"):
            assert (await client.outcome(name))["type"] == "complete"
            assert on_dynamodb.runs_of(name) == [f"1.{old.pid}"]
        assert (await on_dynamodb.row("marked")).unknown == marked.unknown
        assert [(await on_dynamodb.row(name)).attempt for name in ("limited", "fill")] == [0, 0]
        new = await on_dynamodb.worker(STREAMER_ACTIONS=CURRENT)
        for name in ("limited", "fill"):
            assert (await client.outcome(name))["type"] == "complete"
        assert (await on_dynamodb.store.requests.get(future.job_id)) == replace(
            future, routes=frozenset({client.welcome["connection_id"]})
        )
        await client.send({"type": "cancel", "request_id": "future"})
        assert (await client.outcome("future"))["error"]["code"] == "CANCELLED"

    assert on_dynamodb.runs_of("limited") == [f"1.{new.pid}"]
    await on_dynamodb.check()


async def test_a_previous_node_serves_what_a_newer_worker_runs(on_dynamodb: System) -> None:
    url = await (await on_dynamodb.node(STREAMER_ACTIONS=PREVIOUS)).url()
    await on_dynamodb.worker(STREAMER_ACTIONS=CURRENT)
    await on_dynamodb.store.requests.enqueue(submission("limited", expires_in_ms=600_000, delay_ms=1_000))
    async with on_dynamodb.client(url) as client:
        await client.request("steps", PAYLOAD, "limited")
        await client.request("steps", PAYLOAD, "plain", options={"expires_in": 600})
        outcomes = [await client.outcome(name) for name in ("limited", "plain")]

    assert [outcome["result"]["say"] for outcome in outcomes] == ["kept", "kept"]
    rows = [await on_dynamodb.row(name) for name in ("limited", "plain")]
    assert [(row.version, row.deadline_ms is None) for row in rows] == [(SCHEMA_VERSION, False), (1, True)]
    await on_dynamodb.check()


async def test_a_file_of_a_newer_version_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "streamer.db"
    engine = Engine("sqlite", f"sqlite:///{path}")
    async with engine.open() as store:
        await store.create()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    async with processes(tmp_path, {**SETTINGS, "STREAMER_STORE": engine.url}) as group:
        worker = group.start("worker")
        assert await worker.ended() == CANNOT_START
        assert "made by a newer Streamer" in worker.stderr.read_text()
