"""`streamer dev`, as a newcomer runs it."""

import asyncio
import json
import os
import signal
import socket
import sys
from pathlib import Path

import pytest
from playwright.async_api import expect
from websockets.asyncio.client import connect as open_socket

from streamer.client import Acknowledged, Completed, ProgressEvent, connect
from tests.support.console import visitor
from tests.support.processes import Process, processes
from tests.support.until import until

REPORT = {"start_date": "2024-01-01", "end_date": "2024-01-31", "format": "pdf", "report_type": "monthly"}


async def console(dev: Process) -> str:
    """The address that `streamer dev` prints once both processes listen."""

    def printed() -> str:
        assert dev.exit_code is None, dev.output()
        lines = [line.split() for line in dev.stderr.read_text().splitlines()]
        return next((words[1] for words in lines if words[:1] == ["Console"]), "")

    return await until(printed, timeout_s=30, what="streamer dev prints its address")


def children_of(process: Process) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


async def test_a_newcomer_calls_echo_and_a_report_and_stops_with_ctrl_c(tmp_path: Path) -> None:
    async with processes(tmp_path) as group:
        dev = group.start("dev")
        url = await console(dev)
        assert "Authentication is off" in dev.stderr.read_text()
        async with connect(url) as session:
            assert (await session.call("echo", {"message": "hi"}))["echo"] == {"message": "hi"}
            report = session.submit("generate_report", REPORT | {"duration_s": 0.5})
            events = [event async for event in report]
        dev.interrupt()
        assert await dev.ended() == 0, dev.output()

    assert isinstance(events[0], Acknowledged)
    assert isinstance(events[-1], Completed)
    assert events[-1].result.keys() >= {"url", "size", "rows"}
    percentages = [event.percentage for event in events if isinstance(event, ProgressEvent)]
    assert len(percentages) == len(events) - 2
    assert percentages == sorted(percentages)
    assert percentages[-1] == 100


@pytest.mark.browser
async def test_in_the_console_a_newcomer_is_in_at_once(tmp_path: Path) -> None:
    async with processes(tmp_path) as group:
        url = await console(group.start("dev"))
        async with visitor(url) as newcomer:
            await newcomer.open()
            await expect(newcomer.indicator).to_contain_text("connected to")
            await expect(newcomer.page.locator("#account-name")).to_have_text("dev · dev")
            report = await newcomer.call("generate_report", start_date="2024-01-01", end_date="2024-01-31")
            await expect(report.get_by_role("progressbar")).to_have_js_property("value", 100, timeout=20_000)
            await expect(report).to_contain_text('"rows": 2976')
            newcomer.check()


async def test_any_websocket_client_will_do(tmp_path: Path) -> None:
    echo = {"action": "echo", "payload": {"message": "hi"}, "connection_id": "a field that nobody knows"}
    report = {"action": "generate_report", "payload": REPORT | {"duration_s": 0}, "request_id": "r"}
    async with processes(tmp_path) as group:
        url = await console(group.start("dev"))
        async with open_socket(url.replace("http", "ws") + "/ws", proxy=None) as plain:
            await plain.send(json.dumps(echo))
            answer = json.loads(await plain.recv())
            assert (answer["type"], answer["data"]["echo"]) == ("response", {"message": "hi"})
            await plain.send(json.dumps(report))
            kinds = [json.loads(await plain.recv())["type"]]
            while kinds[-1] != "complete":
                kinds.append(json.loads(await plain.recv())["type"])
            assert kinds == ["acknowledgment", *["progress"] * (len(kinds) - 2), "complete"]


async def test_streamer_call_in_the_shell(tmp_path: Path) -> None:
    payload = {"duration_s": 0, "a": 1}
    async with processes(tmp_path) as group:
        url = await console(group.start("dev"))
        command = (sys.executable, "-m", "streamer", "call", "echo_async", json.dumps(payload), "--url", url)
        called = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await called.communicate()
        assert called.returncode == 0
        assert json.loads(output) == payload


async def test_one_process_that_dies_ends_the_other(tmp_path: Path) -> None:
    async with processes(tmp_path) as group:
        dev = group.start("dev")
        await console(dev)
        first, second = children_of(dev)
        os.kill(first, signal.SIGKILL)
        assert await dev.ended() == 1
        assert "ended by itself (exit code -9)" in dev.stderr.read_text()
        assert not is_running(second)


async def test_a_port_that_is_taken_is_one_sentence(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        async with processes(tmp_path, {"STREAMER_PORT": port}) as group:
            dev = group.start("dev")
            assert await dev.ended() == 2
            assert dev.stderr.read_text().startswith(f"Port {port} of 127.0.0.1 is taken")
            assert len(dev.stderr.read_text().splitlines()) == 1
