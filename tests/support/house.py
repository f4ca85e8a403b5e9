"""A fresh clone of this checkout, in which the README's commands are typed."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from tests.support import readme
from tests.support.blocks import ROOT, shown
from tests.support.ports import free_port
from tests.support.terminal import Terminal, Terminals

COMMAND_S: Final = 60.0
INSTALL_S: Final = 400.0


class House:
    """A clone with its own virtual environment, and `make dev` in the first terminal. The README's port is replaced."""

    def __init__(self, folder: Path) -> None:
        self.port, self.page_port = free_port(), free_port()
        self.clone = folder / "streamer"
        self.url = f"http://127.0.0.1:{self.port}"
        tools = f"{self.clone}/.venv/bin:{ROOT}/docs/node_modules/.bin:{os.environ['PATH']}"
        ports = {"STREAMER_PORT": str(self.port), "STREAMER_INTERNAL_PORT": "0", "STREAMER_WORKER_PORT": "0"}
        self.terminals = Terminals(folder, folder, {"PATH": tools, "STREAMER_URL": self.url, **ports})

    def text(self, name: str) -> str:
        return readme.block(name).text.replace(str(readme.NODE), str(self.port))

    def lines(self, name: str) -> Sequence[str]:
        return [line.partition(" # ")[0].strip() for line in self.text(name).splitlines()]

    async def terminal(self, name: str) -> Terminal:
        """One that stands in the clone."""
        terminal = self.terminals[name]
        await terminal.run(f"cd {self.clone}", timeout_s=COMMAND_S)
        return terminal

    async def run(self, command: str, shows: str = "") -> str:
        """In the second terminal, until it has ended; what it printed, which is as is shown."""
        said = await (await self.terminal("second")).run(command, timeout_s=COMMAND_S)
        assert not shows or shown(shows).search(said), f"{command}: not as it is shown\n{said}"
        return said

    async def start(self, command: str) -> None:
        """In the first terminal, until both processes listen; what ran there before is stopped."""
        await self.terminals.end("first")
        shows = shown(f"…\n  Console  {self.url}")
        await (await self.terminal("first")).run(command, shows=shows, timeout_s=INSTALL_S)
