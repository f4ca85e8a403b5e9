"""A session of the TypeScript client that knows the actions: what the compiler refuses."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import pytest

from streamer.actions import load_registry
from streamer.contract import typescript
from tests.support import typescript as compiler

HEAD: Final = """
import { connect } from "streamer-client";
import type { Actions } from "./actions.js";

const session = await connect<Actions>("http://127.0.0.1:8080");
const days = { start_date: "2026-01-01", end_date: "2026-01-31" };
const ids = { dataset_id: "d1", operation: "sum" };
"""
RIGHT: Final = {
    "a call": 'const url: string = (await session.call("generate_report", { ...days, format: "csv" })).url;',
    "a payload of anything": 'await session.call("echo", [1, "two"]); await session.call("echo");',
    "a payload that may be left out": 'await session.call("echo_async");',
    "a member of any name": 'await session.call("echo_async", { duration_s: 1, more: "of it" });',
    "options": 'await session.call("process_data", ids, { id: "r1", timeoutMs: 1_000 });',
    "a submission": 'const rows: number = (await session.submit("process_data", ids).result()).rows;',
    "events": """
        for await (const event of session.submit("process_data", ids)) {
          if (event.type === "complete") { const rows: number = event.result.rows; }
          if (event.type === "progress") { const done: number = event.percentage; }
        }""",
}
WRONG: Final = {
    "another action": 'await session.call("generate_rapport", days);',
    "another action submitted": 'session.submit("generate_rapport", days);',
    "no payload": 'await session.call("generate_report");',
    "a field too few": 'await session.call("generate_report", { start_date: "2026-01-01" });',
    "a field too many": 'await session.call("generate_report", { ...days, colour: "red" });',
    "a field of another type": 'await session.call("echo_async", { duration_s: "1" });',
    "a value that is not listed": 'session.submit("generate_report", { ...days, format: "odt" });',
    "another result": 'const url: number = (await session.call("generate_report", days)).url;',
    "a result without that field": '(await session.submit("process_data", ids).result()).url;',
    "a result of unknown type": '(await session.call("echo", 1)).echo;',
    "a chunk of unknown type": """
        for await (const event of session.submit("process_data", ids)) {
          if (event.type === "chunk") { const rows: number = event.data; }
        }""",
    "an event that has no such field": """
        for await (const event of session.submit("process_data", ids)) {
          if (event.type === "progress") { event.result; }
        }""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project that has the client, and the types of the demo actions."""
    compiler.require_build()
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules" / "streamer-client").symlink_to(compiler.CLIENT)
    (tmp_path / "package.json").write_text('{"type": "module"}')
    (tmp_path / "actions.ts").write_text(typescript.module(load_registry((), threads=1)))
    return tmp_path


async def test_what_is_right_compiles(folder: Path) -> None:
    assert not await compiler.compile_strictly(*written(folder, [HEAD + program for program in RIGHT.values()]))


async def test_what_is_wrong_does_not(folder: Path) -> None:
    files = written(folder, [HEAD + program for program in WRONG.values()])
    told = await compiler.compile_strictly(*files)
    compiled = [what for what, file in zip(WRONG, files, strict=True) if f"{file.name}(" not in told]
    assert compiled == []


async def test_the_example_of_the_documentation_finds_the_mistake_that_it_names(folder: Path) -> None:
    example = (compiler.ROOT / "docs" / "contract.md").read_text().split("```ts\n")[2].partition("```")[0]
    right, wrong = written(folder, [example, example.replace("report.url", "report.uri")])
    told = await compiler.compile_strictly(right, wrong)
    assert f"{wrong.name}(" in told
    assert f"{right.name}(" not in told


def written(folder: Path, programs: Iterable[str]) -> Sequence[Path]:
    """A file for each."""
    files = []
    for number, program in enumerate(programs):
        files.append(folder / f"program_{number}.ts")
        files[-1].write_text(program)
    return files
