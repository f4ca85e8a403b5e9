"""`streamer call` against a node that says what a test tells it to say."""

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from streamer.cli.program import program
from streamer.cli.sentences import INTERRUPTED
from tests.integration.client.fake_node import FakeNode


async def streamer(*arguments: str) -> Result:
    """Runs a command in a thread of its own, as it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, program, arguments)


def frame(kind: str, seq: int, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "request_id": "r", "job_id": "j", "attempt": 1, "seq": seq, "timestamp": 1.0, **fields}


JOB = (
    frame("acknowledgment", 0, state="PENDING"),
    frame("progress", 1, percentage=50, message="half"),
    frame("complete", 3, result={"url": "u"}, chunks=0),
)
REFUSED = frame("error", 0, final=False, error={"code": "INVALID_ACTION", "message": "There is no such action."})


async def answer(node: FakeNode, *frames: dict[str, Any]) -> dict[str, Any]:
    request = await node.next()
    for each in frames:
        await node.say(each)
    return request


async def test_the_result_is_json_on_stdout() -> None:
    async with FakeNode().running() as node:
        command = asyncio.create_task(
            streamer(
                "call", "report", '{"a": 1}', "--url", node.url, "--id", "r", "-o", "priority=high", "--token", "t"
            )
        )
        request = await answer(node, *JOB)
        result = await command
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"url": "u"}
    assert result.stderr == ""
    assert request["payload"] == {"a": 1}
    assert request["options"] == {"priority": "high"}
    assert node.headers[0]["Authorization"] == "Bearer t"


async def test_every_event_as_a_line() -> None:
    async with FakeNode().running() as node:
        command = asyncio.create_task(streamer("call", "report", "--url", node.url, "--id", "r", "--json"))
        await answer(node, *JOB)
        result = await command
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["type"] for line in lines] == ["acknowledgment", "progress", "complete"]
    assert lines[1] == frame("progress", 1, percentage=50, message="half", metadata=None)


@pytest.mark.parametrize("flags", [(), ("--json",)])
async def test_a_failed_request_is_a_sentence_and_exit_code_1(flags: tuple[str, ...]) -> None:
    async with FakeNode().running() as node:
        command = asyncio.create_task(streamer("call", "nope", "--url", node.url, "--id", "r", *flags))
        await answer(node, REFUSED)
        result = await command
    assert result.exit_code == 1
    assert result.stderr == "INVALID_ACTION: There is no such action.\n"


async def test_no_connection_is_a_sentence_and_exit_code_3() -> None:
    node = FakeNode()
    node.refusal = (401, '{"error": "The token has expired.", "code": "UNAUTHORIZED"}', {})
    async with node.running():
        result = await streamer("call", "echo", "--url", node.url)
    assert result.exit_code == 3
    assert result.stderr == "UNAUTHORIZED: The token has expired.\n"


async def test_ctrl_c_leaves_the_request_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(coroutine: Any) -> None:
        coroutine.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio, "run", interrupted)
    result = CliRunner().invoke(program, ["call", "echo"])
    assert result.exit_code == INTERRUPTED
    assert result.stderr == "Stopped waiting; the request goes on at the server.\n"


def test_a_payload_that_is_not_json_is_a_usage_error() -> None:
    result = CliRunner().invoke(program, ["call", "echo", "{"])
    assert result.exit_code == 2
    assert "The payload is not JSON" in result.stderr
