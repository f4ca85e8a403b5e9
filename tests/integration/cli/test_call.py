"""`streamer call` against a node that says what a test tells it to say."""

import asyncio
import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from streamer.cli.program import program
from streamer.cli.sentences import INTERRUPTED
from tests.integration.client.fake_node import FakeNode, acknowledgment, chunk, complete, of_job


async def streamer(*arguments: str) -> Result:
    """Runs a command in a thread of its own, as it has a loop of its own."""
    return await asyncio.to_thread(CliRunner().invoke, program, arguments)


JOB = (
    acknowledgment("r"),
    of_job("progress", "r", 1, percentage=50, message="half"),
    complete("r", 3, {"url": "u"}),
)
STREAM = (acknowledgment("r"), chunk("r", 0), chunk("r", 1), complete("r", 4, {"url": "u"}, chunks=2))
REFUSED = of_job("error", "r", 0, final=False, error={"code": "INVALID_ACTION", "message": "There is no such action."})


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


@pytest.mark.parametrize("shown", [(), ("--json",), ("--chunks",)])
async def test_what_is_said_about_the_connection_is_not_shown(shown: tuple[str, ...]) -> None:
    kinds = ("token_expiring", "authenticated", "of_the_future")
    async with FakeNode().running() as node:
        command = asyncio.create_task(streamer("call", "report", "--url", node.url, "--id", "r", *shown))
        await answer(node, *({"type": kind, "timestamp": 1.0} for kind in kinds), *JOB)
        result = await command
    assert (result.exit_code, result.stderr) == (0, "")
    assert not any(kind in result.stdout for kind in kinds)
    assert node.heard.empty()


async def test_every_event_as_a_line() -> None:
    async with FakeNode().running() as node:
        command = asyncio.create_task(streamer("call", "report", "--url", node.url, "--id", "r", "--json"))
        await answer(node, *JOB)
        result = await command
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["type"] for line in lines] == ["acknowledgment", "progress", "complete"]
    assert lines[1] == of_job("progress", "r", 1, percentage=50, message="half", metadata=None)


async def test_chunks_are_events_too() -> None:
    async with FakeNode().running() as node:
        command = asyncio.create_task(streamer("call", "stream", "--url", node.url, "--id", "r", "--json"))
        await answer(node, *STREAM)
        result = await command
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [(line["type"], line.get("data")) for line in lines[1:3]] == [("chunk", 0), ("chunk", 1)]


@pytest.mark.parametrize(("flags", "before"), [((), ""), (("--chunks",), "0\n1\n")])
async def test_chunks_come_before_the_result_where_they_are_wanted(flags: tuple[str, ...], before: str) -> None:
    async with FakeNode().running() as node:
        command = asyncio.create_task(streamer("call", "stream", "--url", node.url, "--id", "r", *flags))
        await answer(node, *STREAM)
        result = await command
    assert result.stdout == before + '{\n  "url": "u"\n}\n'


async def test_a_durable_request_is_one_with_that_option() -> None:
    async with FakeNode().running() as node:
        command = asyncio.create_task(streamer("call", "report", "--url", node.url, "--id", "r", "--durable"))
        request = await answer(node, *JOB)
        result = await command
    assert result.exit_code == 0
    assert request["options"] == {"durable": True}


async def test_a_request_that_was_sent_before_is_resumed() -> None:
    async with FakeNode().running() as node:
        command = asyncio.create_task(streamer("call", "--resume", "r", "--url", node.url))
        resumed = await node.resumed("r")
        await node.say(*JOB[1:])
        result = await command
    assert resumed["requests"] == [{"request_id": "r", "attempt": 0, "seq": 0, "chunks": 0}]
    assert (result.exit_code, json.loads(result.stdout), result.stderr) == (0, {"url": "u"}, "")


async def test_a_reconnect_is_one_line_on_stderr() -> None:
    async with FakeNode().running() as node:
        command = asyncio.create_task(streamer("call", "report", "--url", node.url, "--id", "r"))
        await answer(node, JOB[0])
        await node.socket.close(1012, "deploy")
        await node.joined(2)
        await node.resumed("r")
        await node.say(*JOB[1:])
        result = await command
    assert json.loads(result.stdout) == {"url": "u"}
    assert result.stderr == "The connection ended (1012: deploy). Reconnecting.\n"


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


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Name an ACTION"),
        (["--resume", "r", "echo"], "--resume goes without ACTION"),
        (["--resume", "r", "--durable", "--id", "x"], "--resume goes without --id, --durable"),
        (["echo", "--id", "no spaces"], "no spaces is not an id"),
    ],
)
def test_what_does_not_go_together_is_a_usage_error(arguments: list[str], sentence: str) -> None:
    result = CliRunner().invoke(program, ["call", *arguments])
    assert result.exit_code == 2
    assert sentence in result.stderr
