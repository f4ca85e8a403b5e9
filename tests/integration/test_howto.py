"""The how-tos of the documentation: their examples are files whose tests pass as they stand."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.blocks import ROOT, blocks


@pytest.mark.parametrize(("page", "passed"), [("chunks", 1), ("checkpoints", 1), ("retries", 2), ("large-payloads", 1)])
def test_the_examples_pass(page: str, passed: int, tmp_path: Path) -> None:
    told = blocks((ROOT / "docs" / f"{page}.md").read_text())
    assert all(block.title for block in told), "each is a file"
    for block in told:
        (tmp_path / block.title).parent.mkdir(exist_ok=True)
        (tmp_path / block.title).write_text(block.text)
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert f"{passed} passed" in done.stdout, done.stdout + done.stderr
