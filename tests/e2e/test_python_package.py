"""The Python client, installed alone in an empty environment, as a user of it would."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.e2e.test_dev import console
from tests.support.processes import processes

CHECKOUT = Path(__file__).parents[2]
CLIENT = {"streamer", "orjson", "websockets"}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel of this checkout and what it asks for, without extras."""
    folder = tmp_path_factory.mktemp("client")
    built = folder / "dist"
    run(sys.executable, "-m", "uv", "build", "-q", "--wheel", "--no-build-isolation", "-o", built, CHECKOUT)
    run(sys.executable, "-m", "venv", folder / "venv")
    pip = folder / "venv/bin/pip"
    run(pip, "install", "--quiet", "--disable-pip-version-check", *built.glob("*.whl"))
    run(pip, "uninstall", "--quiet", "--yes", "pip", "setuptools")
    return folder / "venv"


def run(*command: str | Path, folder: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def readme_example(folder: Path, url: str) -> Path:
    """The program under "Connect" in the README, as a file, with another address."""
    connect = (CHECKOUT / "README.md").read_text().partition("\n## Connect\n")[2]
    program = connect.partition("```python\n")[2].partition("```")[0]
    assert program.count("ws://127.0.0.1:8080/ws") == 1
    path = folder / "example.py"
    path.write_text(program.replace("ws://127.0.0.1:8080/ws", url))
    return path


async def output_of(*command: str | Path) -> Sequence[str]:
    running = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await running.communicate()
    assert running.returncode == 0
    return output.decode().splitlines()


def test_it_brings_two_dependencies_and_no_server(environment: Path) -> None:
    found = (environment / "lib").glob("python3*/site-packages/*.dist-info")
    assert {path.name.partition("-")[0] for path in found} == CLIENT


async def test_it_runs_the_example_of_the_readme(environment: Path, tmp_path: Path) -> None:
    async with processes(tmp_path) as group:
        url = await console(group.start("dev"))
        lines = await output_of(environment / "bin/python", readme_example(tmp_path, url))
    assert "'echo': {'message': 'hi'}" in lines[0]
    assert lines[1].startswith("Acknowledged(")
    assert lines[-1].startswith("Completed(")


def test_it_is_typed(environment: Path, tmp_path: Path) -> None:
    example = readme_example(tmp_path, "ws://127.0.0.1:1/ws")
    mypy = (sys.executable, "-m", "mypy", "--strict", "--python-executable", environment / "bin/python")
    run(*mypy, "--cache-dir", tmp_path, example, folder=tmp_path)  # elsewhere it would read this checkout's files


@pytest.mark.parametrize("command", [("python", "-c", "from streamer import action"), ("streamer",)])
def test_what_it_lacks_says_what_to_install(environment: Path, command: Sequence[str]) -> None:
    program, *arguments = command
    done = subprocess.run([environment / "bin" / program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "pip install 'streamer[server]'" in done.stderr
