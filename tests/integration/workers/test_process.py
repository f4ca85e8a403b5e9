"""`python -m workers`, as a process and as a function."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from streamer.actions import load_registry
from streamer.cluster.registry import WORKER
from streamer.errors import StoreUnavailable
from streamer.settings import Settings
from streamer.store.base import Store
from streamer.store.open import open_store
from tests.integration.workers.stage import SHORT, FakeNode, Stage
from tests.support.until import until
from workers import __main__ as program

ENVIRONMENT = {
    "STREAMER_CLUSTER_KEY_ID": "test",
    "STREAMER_CLUSTER_SECRET": "secret",
    "STREAMER_WORKER_PORT": "0",
    "STREAMER_LOG_FORMAT": "json",
}


@asynccontextmanager
async def process(*arguments: str, **environment: str) -> AsyncIterator[Process]:
    command = (sys.executable, "-m", "workers", *arguments)
    started = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **environment}, stdout=PIPE, stderr=PIPE
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def event(running: Process, name: str) -> dict[str, Any]:
    """The first log line of this event."""
    assert running.stdout is not None
    async for line in running.stdout:
        fields: dict[str, Any] = orjson.loads(line)
        if fields["event"] == name:
            return fields
    raise AssertionError(f"it ended before {name}")


async def test_a_process_serves_until_sigterm(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/made/here.db"
    async with process(**ENVIRONMENT, STREAMER_STORE=url) as running:
        assert (await event(running, "listening"))["port"] > 0
        await event(running, "worker_ready")
        async with open_store(url) as store:
            assert len(await store.nodes.list(WORKER)) == 1
            running.send_signal(signal.SIGTERM)
            await event(running, "left")
            assert await running.wait() == 0
            assert await store.nodes.list(WORKER) == []


async def test_the_command_line_names_the_queues(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/streamer.db"
    environment = {**ENVIRONMENT, "STREAMER_STORE": url, "STREAMER_QUEUES": "default"}
    async with process("--queue", "gpu", "--queue", "slow", "--queue", "gpu", **environment) as running:
        assert (await event(running, "worker_ready"))["queues"] == ["gpu", "slow"]


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import asyncio\nfrom streamer.actions import action\n"
        "@action('slow', mode='queued')\nasync def slow():\n    await asyncio.sleep(3600)\n"
    )
    url = f"sqlite:///{tmp_path}/streamer.db"
    environment = {**ENVIRONMENT, "STREAMER_ACTIONS": "slow", "PYTHONPATH": f"{Path.cwd()}:{tmp_path}"}
    async with process(**environment, STREAMER_STORE=url) as running, open_store(url) as store:
        await event(running, "worker_ready")
        stage = Stage(store, FakeNode(), {})
        job = await stage.submit("slow", connection=None)

        async def is_running() -> bool:
            return (await stage.row(job)).attempt == 1

        await until(is_running)
        running.send_signal(signal.SIGINT)
        await event(running, "draining")
        running.send_signal(signal.SIGINT)
        assert await running.wait() == -signal.SIGINT


async def test_what_cannot_start_says_so_in_a_sentence() -> None:
    async with process(STREAMER_CLUSTER_KEY_ID="", STREAMER_WORKER_PORT="0") as running:
        _, said = await running.communicate()
        assert running.returncode == program.CANNOT_START
        assert b"STREAMER_CLUSTER_KEY_ID" in said
        assert b"Traceback" not in said


@pytest.fixture
def handlers() -> Iterator[None]:
    """The handlers of the signals as they were before."""
    before = {number: signal.getsignal(number) for number in program.SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
async def test_serve_ends_on_a_signal(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/streamer.db"
    settings = Settings(**{**SHORT, "store": url})
    serving = asyncio.create_task(program.serve(settings, load_registry((), threads=1)))
    async with open_store(url) as store:
        await until(lambda: _is_registered(store))
        os.kill(os.getpid(), signal.SIGTERM)
        await serving
    assert [signal.getsignal(number) for number in program.SIGNALS] == [signal.SIG_DFL, signal.SIG_DFL]


async def _is_registered(store: Store) -> bool:
    try:
        return bool(await store.nodes.list(WORKER))
    except StoreUnavailable:  # the worker has yet to make the file
        return False


def test_main_tells_how_it_ended(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    served: list[Settings] = []

    async def serve(settings: Settings, _: object) -> None:
        served.append(settings)

    monkeypatch.setattr(program, "serve", serve)
    monkeypatch.setattr("streamer.telemetry.log.configure", lambda *_: None)
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    assert program.main() == 0
    assert served[0].worker_port == 0
    assert served[0].queues == ("default",)
    assert program.main(["--queue", "gpu"]) == 0
    assert served[1].queues == ("gpu",)
    assert program.main(["--queue", "not/a/name"]) == program.CANNOT_START
    said = capsys.readouterr().err
    assert said.splitlines() == ["--queue 'not/a/name': a queue's name has 1 to 64 letters, digits or . _ -"]
    monkeypatch.setenv("STREAMER_WAKEUPS", "stream")
    assert program.main() == program.CANNOT_START
    assert "STREAMER_WAKEUPS" in capsys.readouterr().err
