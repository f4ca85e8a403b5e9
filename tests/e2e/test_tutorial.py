"""The tutorial, as a newcomer follows it: from a clone to the page in the browser, block by block."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.support.blocks import ROOT, Block, blocks, shown
from tests.support.chromium import chromium
from tests.support.ports import free_port
from tests.support.terminal import Terminals

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]  # the first start installs everything

TUTORIAL = ROOT / "docs" / "tutorial.md"
COMMAND_S = 30.0
INSTALL_S = 400.0
CALL_FROM_HERE = """async () => {
    const { connect } = await import("/client/index.js");
    const session = await connect(location.origin);
    return (await session.call("echo", { message: "hi" })).echo;
}"""


class Reader:
    """Writes the files of the page, types its commands, and compares what they print.

    The page's ports are replaced by free ones. REPOSITORY is this checkout as it is committed.
    """

    def __init__(self, folder: Path) -> None:
        self.node, self.site = free_port(), free_port()
        self._folder = folder
        ports = {"STREAMER_PORT": str(self.node), "STREAMER_INTERNAL_PORT": "0", "STREAMER_WORKER_PORT": "0"}
        self.terminals = Terminals(folder, folder, {"REPOSITORY": str(ROOT), **ports})

    async def follow(self, page: str) -> None:
        """Until the end of the page; what its last commands started goes on."""
        told = blocks(page.replace("8080", str(self.node)).replace("8000", str(self.site)))
        for block, after in zip(told, [*told[1:], None], strict=True):
            if block.title.startswith("terminal"):
                await self._type(block, after if after is not None and after.language == "text" else None)
            elif block.title:
                self._write(block)
            else:
                assert block.language == "text", f"nobody knows what to do with\n{block.text}"

    def _write(self, block: Block) -> None:
        path = self._folder / "streamer" / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)

    async def _type(self, block: Block, output: Block | None) -> None:
        *first, last = block.text.splitlines()
        for command in first:
            await self.terminals[block.title].run(command, timeout_s=COMMAND_S)
        timeout_s = INSTALL_S if "make" in last else COMMAND_S
        shows = None if output is None else shown(output.text)
        await self.terminals[block.title].run(last, shows=shows, timeout_s=timeout_s)


@pytest.fixture
async def reader(tmp_path: Path) -> AsyncIterator[Reader]:
    reader = Reader(tmp_path)
    try:
        yield reader
    finally:
        await reader.terminals.close()


async def test_a_newcomer_gets_from_a_clone_to_a_page_of_their_own(reader: Reader) -> None:
    await reader.follow(TUTORIAL.read_text())
    async with chromium() as browser:
        page = await browser.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        await page.goto(f"http://127.0.0.1:{reader.site}")
        await page.get_by_role("button", name="Resize").click()
        await expect(page.locator("p")).to_have_text("sun.jpg, moon.jpg, star.jpg, 3 images", timeout=20_000)
        await expect(page.get_by_role("progressbar")).to_have_js_property("value", 100)

        await page.goto(f"http://127.0.0.1:{reader.node}")  # a page of its own, such as the console, may call it, too
        assert await page.evaluate(CALL_FROM_HERE) == {"message": "hi"}
        assert faults == []


def test_it_takes_at_most_ten_commands() -> None:
    page = TUTORIAL.read_text()
    commands = [line for block in blocks(page) if block.language == "sh" for line in block.text.splitlines()]
    assert len(commands) <= 10
    assert (len(commands), "eight commands" in page) == (8, True)
    assert all(re.match(r"terminal \d$", block.title) for block in blocks(page) if block.language == "sh")
