"""The TypeScript client, packed and installed into an empty project, as a user of it would."""

import json
import subprocess
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from tests.e2e.test_dev import console
from tests.support import typescript
from tests.support.processes import processes

ADDRESS = "http://127.0.0.1:8080"


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What `npm pack` says of it, and `path` of the tarball."""
    typescript.require_build()
    folder = tmp_path_factory.mktemp("packed")
    told = run("npm", "pack", "--json", "--ignore-scripts", "--pack-destination", folder, folder=typescript.CLIENT)
    found = json.loads(told)
    entry = next(iter(found.values() if isinstance(found, dict) else found))
    return entry | {"path": next(folder.glob("*.tgz"))}


@pytest.fixture(scope="module")
def project(packed: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty project with the tarball, and the WebSocket class that Node 20 lacks."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    locked = json.loads((typescript.CLIENT / "package-lock.json").read_text())["packages"]
    ws = f"ws@{locked['node_modules/ws']['version']}"
    run("npm", "install", "--silent", "--no-audit", "--no-fund", packed["path"], ws, folder=folder)
    return folder


def run(*command: str | Path, folder: Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder, timeout=100)
    assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def readme_program() -> str:
    """The first of the client's README."""
    return (typescript.CLIENT / "README.md").read_text().partition("```ts\n")[2].partition("```")[0]


def test_it_packs_what_is_built_and_nothing_else(packed: Any) -> None:
    files = [PurePosixPath(file["path"]) for file in packed["files"]]
    built = {path for path in files if path.parts[0] == "dist"}
    assert {str(path) for path in set(files) - built} == {"package.json", "README.md", "LICENSE"}
    assert all(path.name.endswith((".js", ".d.ts")) for path in built)
    assert {path.name for path in built} >= {"index.js", "index.d.ts"}


def test_it_brings_no_dependency(project: Path) -> None:
    installed = {path.name for path in (project / "node_modules").iterdir() if not path.name.startswith(".")}
    assert installed == {"streamer-client", "ws"}


async def test_it_runs_the_example_of_its_readme(project: Path, tmp_path: Path) -> None:
    program = readme_program()
    assert program.count(ADDRESS) == 1
    async with processes(tmp_path) as group:
        url = await console(group.start("dev"))
        (project / "example.mjs").write_text(program.replace(ADDRESS, url))
        told = await typescript.run("node", "example.mjs", cwd=project)
    assert "echo: { message: 'hi' }" in told
    types = [
        line.split()[0] for line in told.splitlines() if line.startswith(("acknowledgment", "progress", "complete"))
    ]
    assert types[0] == "acknowledgment"
    assert "progress 100" in told
    assert types[-1] == "complete"


async def test_its_types_ask_for_no_library_beyond_the_usual(project: Path) -> None:
    in_browser = readme_program().replace('import WebSocket from "ws";\n', "")
    (project / "right.ts").write_text(in_browser)
    (project / "wrong.ts").write_text(in_browser.replace('"echo"', "1"))
    options = ("--strict", "--noEmit", "--target", "es2022", "--module", "nodenext", "--types", "")
    assert not await typescript.run(typescript.COMPILER, *options, "right.ts", cwd=project)
    told = await typescript.run(typescript.COMPILER, *options, "wrong.ts", cwd=project)
    assert "wrong.ts(4,32)" in told, told
