"""A process of the stack: what is told of one that is late, prints nonsense, leaves children, or does not end."""

import os
import signal
from pathlib import Path

import pytest

from streamer.testing import process
from streamer.testing.process import Process, StackFailed
from tests.support.until import PATIENT_S, until

STUBBORN = """
import json, os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("no JSON", flush=True)
print("[1]", flush=True)
child = os.fork()
if child:
    print(json.dumps({"event": "ready", "child": child}), flush=True)
time.sleep(600)
"""


def _started(folder: Path, source: str) -> Process:
    (folder / "own_program.py").write_text(source)
    return Process("own_program", folder, {**os.environ, "PYTHONPATH": str(folder)})


async def test_what_does_not_end_is_killed_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "STOP_S", 0.001)
    stubborn = _started(tmp_path, STUBBORN)
    try:
        child = (await stubborn.logged("ready", within_s=PATIENT_S))["child"]
    finally:
        stubborn.terminate()
        stubborn.end()
    await until(lambda: not _runs(child))
    assert not _runs(stubborn.pid)
    stubborn.terminate()  # of one that has ended, nothing comes


async def test_one_that_is_late_is_told_with_its_output(tmp_path: Path) -> None:
    late = _started(tmp_path, STUBBORN)
    try:
        await late.logged("ready", within_s=PATIENT_S)
        with pytest.raises(StackFailed, match=r"own_program is not ready after 0 s(.|\n)*no JSON"):
            await late.logged("never", within_s=0)
    finally:
        os.killpg(late.pid, signal.SIGKILL)
        late.end()


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split()[2] != "Z"
    except FileNotFoundError:
        return False
