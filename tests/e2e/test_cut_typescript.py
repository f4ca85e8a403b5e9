"""The story of the cut connection, with the TypeScript client: in Node, and in a browser."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

from tests.conftest import STORES
from tests.e2e.test_cut import uncut
from tests.support import typescript
from tests.support.chromium import chromium
from tests.support.cutter import Cutter
from tests.support.page import open_page
from tests.support.switch import Switch
from tests.support.system import System
from tests.support.until import until
from tests.support.wire import token

CHUNKS = 5_000
CUTS = 100
STREAM = {"chunks": CHUNKS, "size": 100}
PROGRAM = typescript.ROOT / "tests" / "e2e" / "typescript" / "in_node.mjs"
IN_PAGE = """
async ([url, token, payload]) => {
  const { connect } = await import("/client/index.js");
  const { stream } = await import("/programs/stream.mjs");
  const session = await connect(url, { token });
  const heard = await stream(session, payload, window.piece);
  await session.close();
  return heard;
}
"""

pytestmark = pytest.mark.timeout(300)
Piece = Callable[[], None]


@dataclass(frozen=True)
class Heard:
    """What a program had in the end."""

    output: str  # JSON, as it wrote it
    chunks: int
    attempt: int


async def read_in_node(url: str, payload: dict[str, Any], piece: Piece) -> Heard:
    typescript.require_build()
    command = ("node", str(PROGRAM), url, token(), json.dumps(payload))
    running = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, limit=1 << 24)
    assert running.stdout is not None
    try:
        async for line in running.stdout:
            if line != b"piece\n":
                return Heard(**orjson.loads(line))
            piece()
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.wait()
    raise AssertionError(f"node ended with {running.returncode}")


async def read_in_chromium(url: str, payload: dict[str, Any], piece: Piece) -> Heard:
    async with chromium() as browser:
        page = await open_page(await browser.new_context(), url)
        await page.expose_function("piece", piece)
        return Heard(**await page.evaluate(IN_PAGE, [url, token(), payload]))


@pytest.fixture
async def switch(streamer: System) -> AsyncIterator[Switch]:
    """Before three nodes."""
    nodes = [await streamer.node(STREAMER_CONSOLE="true") for _ in range(3)]
    async with Switch([await node.url() for node in nodes]) as switch:
        yield switch


@pytest.mark.parametrize("engine", STORES[-1:], indirect=True)
@pytest.mark.parametrize("read", [read_in_node, pytest.param(read_in_chromium, marks=pytest.mark.browser)])
async def test_a_hundred_cuts_leave_no_trace(streamer: System, switch: Switch, read: Any) -> None:
    await streamer.worker()
    cutter = Cutter(switch, CUTS)
    heard = await read(switch.url, STREAM | {"chunk_s": 0.016}, cutter.piece)

    assert cutter.cuts == CUTS
    assert switch.passed_on > CUTS
    assert (heard.chunks, heard.attempt) == (CHUNKS, 1)
    assert heard.output.encode() == uncut(CHUNKS)


@pytest.mark.parametrize("engine", STORES[:1], indirect=True)
@pytest.mark.parametrize("read", [read_in_node, pytest.param(read_in_chromium, marks=pytest.mark.browser)])
@pytest.mark.parametrize("checkpoint_every", [None, 100], ids=["no checkpoints", "checkpoints"])
async def test_neither_does_a_dead_worker(
    streamer: System, switch: Switch, read: Any, checkpoint_every: int | None
) -> None:
    workers = [await streamer.worker() for _ in range(2)]
    cutters = [Cutter(switch, 5), Cutter(switch, 5)]  # while the first worker lives, and after
    pieces: list[None] = []
    deaths: list[int] = []

    def piece() -> None:
        pieces.append(None)
        cutters[len(deaths)].piece()

    payload = STREAM | {"chunk_s": 0.002, "checkpoint_every": checkpoint_every}
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(read(switch.url, payload, piece))
        await until(lambda: (len(pieces) > CHUNKS // 4 and cutters[0].cuts == 5) or reading.done(), timeout_s=120)
        owner = await streamer.owner_of("r1", workers)
        owner.kill()
        deaths.append(await owner.ended())

    heard = reading.result()
    assert [cutter.cuts for cutter in cutters] == [5, 5]
    assert (heard.chunks, heard.attempt) == (CHUNKS, 2)
    assert heard.output.encode() == uncut(CHUNKS)
