"""The HTTP API against the OpenAPI document that the node itself serves, by requests that schemathesis makes up."""

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.support.store import Engine
from tests.support.system import system
from tests.support.wire import token

FUZZ_S: Final = int(os.environ.get("FUZZ_S", "100"))
CHECKS: Final = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
ENVIRONMENT: Final[Mapping[str, str]] = {
    "STREAMER_RATE_LIMIT": "0",
    "STREAMER_ACTIONS": "",
    "STREAMER_DEV_TOKENS": "true",
}


def command(url: str) -> Sequence[str]:
    program = Path(sys.executable).with_name("schemathesis")
    bearer = f"Authorization: Bearer {token('ann', 'acme', '*')}"
    bounds = ("--max-time", str(FUZZ_S), "--request-timeout", "20", "--workers", "1")
    return (str(program), "run", f"{url}/openapi.json", "--no-color", "-H", bearer, "-c", ",".join(CHECKS), *bounds)


async def output(folder: Path, *arguments: str) -> tuple[int | None, str]:
    """Exit code and all that was said."""
    process = await asyncio.create_subprocess_exec(
        *arguments,
        cwd=folder,
        env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.support.fuzz_hooks"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, said.decode()


@pytest.mark.timeout(FUZZ_S + 140)
async def test_whatever_is_asked_the_answers_are_those_of_the_document(tmp_path: Path) -> None:
    engine = Engine("sqlite", f"sqlite:///{tmp_path / 'streamer.db'}")
    async with system(tmp_path, engine, ENVIRONMENT) as running:
        node = await running.node()
        await running.worker()
        code, said = await output(tmp_path, *command(await node.url()))
        assert code == 0, said
        for process in running.processes:
            assert not process.events(level="error"), process.output()
