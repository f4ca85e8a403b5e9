"""Metrics that processes print for CloudWatch."""

import json
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator

from tests.support.processes import Process
from tests.support.system import System

SCHEMA = Draft7Validator(json.loads((Path(__file__).parents[1] / "support" / "schemas" / "emf.json").read_text()))
AT_THE_END = {"STREAMER_EMF": "true", "STREAMER_EMF_S": "3600"}


def told(process: Process, name: str, **dimensions: str) -> list[Any]:
    """The values of a metric that it has printed, with these among its dimensions."""
    lines = [json.loads(line) for line in process.stdout.read_text().splitlines()]
    metrics = [line for line in lines if "_aws" in line]
    for line in metrics:
        SCHEMA.validate(line)
    return [line[name] for line in metrics if name in line and dimensions.items() <= line.items()]


async def test_both_processes_tell_the_rest_at_their_end(streamer: System) -> None:
    node, worker = await streamer.node(**AT_THE_END), await streamer.worker(**AT_THE_END)
    async with streamer.client(await node.url()) as client:
        await client.request("steps", {"steps": 1}, "r1")
        await client.outcome("r1")
    for process in (worker, node):
        process.terminate()
        assert await process.ended() == 0
    assert told(node, "submits", Service="streamer-app", result="created") == [1]
    assert told(worker, "attempts", Service="streamer-worker", action="steps", outcome="complete") == [1]
    assert told(worker, "attempt_seconds", action="steps")[0]["Count"] == 1
    assert told(node, "connections") == [0]
    await streamer.check()
