"""`streamer watch` against a node that says what a test tells it to say."""

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from streamer.cli.program import program
from tests.integration.client.fake_node import FakeNode, complete, of_job

JOB = "0" * 32


async def streamer(*arguments: str) -> Result:
    """Runs a command in a thread of its own, as it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, program, arguments)


async def watched(*arguments: str, says: tuple[dict[str, Any], ...]) -> tuple[Result, dict[str, Any]]:
    """What came of it, and the `subscribe` frame."""
    async with FakeNode().running() as node:
        command = asyncio.create_task(streamer("watch", JOB, "--url", node.url, *arguments))
        asked = await node.next()
        await node.say({"type": "subscribed", "timestamp": 1.0, "job_id": JOB, "status": "PROCESSING"})
        await node.say(*says)
        return await command, asked


ENDS = (of_job("progress", JOB, 1, percentage=50, message="half"), complete(JOB, 2, {"url": "u"}))


async def test_the_result_of_somebodys_job_is_json_on_stdout() -> None:
    result, asked = await watched(says=ENDS)
    assert (result.exit_code, json.loads(result.stdout), result.stderr) == (0, {"url": "u"}, "")
    assert (asked["type"], asked["job_id"], asked.get("events")) == ("subscribe", JOB, None)


async def test_only_some_events_are_wanted_each_as_a_line() -> None:
    result, asked = await watched("--json", "--events", "progress", "--events", "retrying", says=ENDS)
    assert [json.loads(line)["type"] for line in result.stdout.splitlines()] == ["progress", "complete"]
    assert asked["events"] == ["progress", "retrying"]


async def test_a_job_that_is_not_to_be_seen_is_exit_code_1() -> None:
    refused = of_job("error", JOB, 0, error={"code": "NOT_FOUND", "message": "There is no such job."})
    result, _ = await watched(says=(refused,))
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "NOT_FOUND: There is no such job.\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [(["no id"], "no id is not an id"), ([JOB, "--events", "all"], "all is not one of progress, chunk, retrying")],
)
def test_what_is_not_understood_is_exit_code_2(arguments: list[str], sentence: str) -> None:
    result = CliRunner().invoke(program, ["watch", *arguments])
    assert (result.exit_code, sentence in result.stderr) == (2, True)
