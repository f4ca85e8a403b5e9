"""The stack for tests: two real processes on SQLite, and none of them left behind."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from streamer.client import RequestFailed
from streamer.testing import StackFailed, stack

ACTIONS: Final = """
from streamer import Context, action

@action("own.lines", mode="queued", permission="lines")
async def lines(ctx: Context, request: int) -> str:
    for number in range(request):
        await ctx.emit(number)
    return ctx.user
"""
TESTS: Final = """
async def test_own_action(streamer_stack):
    async with streamer_stack.connect(user="ann", permissions=["lines"]) as session:
        assert await session.call("own.lines", 2) == "ann"

async def test_the_same_stack(streamer_stack):
    async with streamer_stack.connect() as session:
        assert (await session.call("echo", 1))["echo"] == 1
"""


def _processes_in(folder: Path) -> list[int]:
    """Those whose environment names the folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            found += [int(path.parent.name)] if str(folder).encode() in path.read_bytes() else []
        except OSError:  # ended meanwhile, or another user's
            continue
    return [pid for pid in found if pid != os.getpid()]


@pytest.fixture
def actions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that only this process's path leads to."""
    (tmp_path / "own_actions.py").write_text(ACTIONS)
    monkeypatch.syspath_prepend(tmp_path)
    return "own_actions"


async def test_the_stack_runs_own_actions_and_leaves_no_process(
    actions: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMER_MAX_RETRIES", "nonsense")  # the tester's own settings do not count
    async with stack([actions], jwt_tenant_claim="org") as running:
        assert _processes_in(tmp_path)
        async with running.connect(user="ann", permissions=["lines"]) as session:
            submission = session.submit("own.lines", 3)
            events = [event.type async for event in submission]
            assert events.count("chunk") == 3
            assert await submission == "ann"
        async with running.connect() as session:
            with pytest.raises(RequestFailed, match="not allowed"):
                await session.call("own.lines", 1)
        assert '"worker_ready"' in running.output()
    assert not _processes_in(tmp_path)


async def test_an_error_in_the_block_ends_the_stack_too(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="2 processes"):
        await _fails_inside(tmp_path)
    assert not _processes_in(tmp_path)
    assert (tmp_path / "own.db").exists()


async def _fails_inside(folder: Path) -> None:
    async with stack(store=f"sqlite:///{folder}/own.db"):
        raise KeyError(f"{len(_processes_in(folder))} processes")


async def test_what_keeps_a_process_from_starting_is_told() -> None:
    with pytest.raises(StackFailed, match=r"app ended with 2(.|\n)*STREAMER_SESSION_DEAD_S must be at least 3 times"):
        async with stack(session_dead_s=0.1):
            raise AssertionError


@pytest.mark.parametrize("mode", ["strict", "auto"])
def test_the_fixture_serves_a_suite_of_its_user(mode: str, tmp_path: Path) -> None:
    mark = "import pytest\npytestmark = pytest.mark.asyncio\n" if mode == "strict" else ""
    (tmp_path / "own_actions.py").write_text(ACTIONS)
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["streamer.testing.pytest"]\n')
    (tmp_path / "test_own.py").write_text(mark + TESTS)
    (tmp_path / "pytest.ini").write_text(
        f"[pytest]\nasyncio_mode = {mode}\nasyncio_default_fixture_loop_scope = function\n"
        "streamer_actions = own_actions\npythonpath = .\nfilterwarnings = error\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "2 passed" in done.stdout, done.stdout + done.stderr
    assert not _processes_in(tmp_path)
