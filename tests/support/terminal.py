"""A terminal as a reader of a page uses one: a shell, into which commands are typed one after the other."""

import asyncio
import os
import re
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.support.until import until

_NOT_OURS: Final = ("STREAMER_", "AWS_", "COV", "PYTHON", "VIRTUAL_ENV", "MAKE", "MFLAGS")
END_S: Final = 20.0


class Terminal:
    """`folder`: where it stands at first; `output`: the file that has what it shows."""

    def __init__(self, folder: Path, output: Path, env: Mapping[str, str]) -> None:
        self._output = output
        self._typed = 0
        self._begin = 0  # of the last command's output
        with output.open("wb") as file:
            self._shell = subprocess.Popen(
                ["bash"],
                cwd=folder,
                env={**_clean(os.environ), **env},
                stdin=subprocess.PIPE,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    async def run(self, command: str, *, shows: re.Pattern[str] | None = None, timeout_s: float) -> str:
        """Types a command and waits until it shows that, or without it, until it has ended well; what it printed.

        AssertionError with all its output where it ends badly or before it showed that, or takes too long.
        """
        self._type(command)

        def is_done() -> bool:
            code = self._exit_code()
            assert code in (None, 0), f"{command}: exit code {code}\n{self.said()}"
            is_shown = shows is not None and shows.search(self.said()) is not None
            assert is_shown or code is None or shows is None, f"{command}: not as it is shown\n{self.said()}"
            return is_shown or code is not None

        try:
            await until(is_done, timeout_s=timeout_s, what=command)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.said()}") from None
        return self.said()

    def said(self) -> str:
        """The output of the last command so far."""
        return self._output.read_bytes()[self._begin :].decode()

    def _type(self, command: str) -> None:
        assert self._shell.stdin is not None
        self._begin = self._output.stat().st_size
        self._typed += 1
        self._shell.stdin.write(f"{{ {command}\n}} </dev/null; echo; echo command {self._typed} ended: $?\n".encode())
        self._shell.stdin.flush()

    def _exit_code(self) -> int | None:
        found = re.search(rf"^command {self._typed} ended: (\d+)$", self.said(), re.MULTILINE)
        if found is not None:
            return int(found[1])
        return self._shell.poll()

    def close(self) -> None:
        """Ctrl-C for whatever runs in it, and its end."""
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            try:
                os.killpg(self._shell.pid, number)
                self._shell.wait(END_S)
            except ProcessLookupError:
                return
            except subprocess.TimeoutExpired:
                continue


class Terminals:
    """Opens a terminal by its name when it is used first; what they show is kept in `outputs`."""

    def __init__(self, folder: Path, outputs: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._outputs = outputs
        self._env = env
        self._open: dict[str, Terminal] = {}

    def __getitem__(self, name: str) -> Terminal:
        if name not in self._open:
            self._open[name] = Terminal(self._folder, self._outputs / f"{name}.out", self._env)
        return self._open[name]

    async def end(self, name: str) -> None:
        """Ctrl-C in that terminal, if there is one; under its name there is a new one afterwards."""
        terminal = self._open.pop(name, None)
        if terminal is not None:
            await asyncio.to_thread(terminal.close)

    async def close(self) -> None:
        for terminal in reversed(self._open.values()):
            await asyncio.to_thread(terminal.close)


def _clean(environ: Mapping[str, str]) -> dict[str, str]:
    """Without what this test run was told."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_NOT_OURS)}
    return kept | {"PYTHONUNBUFFERED": "1"}  # as it is where a program writes to a terminal
