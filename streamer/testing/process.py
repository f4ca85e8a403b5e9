"""One process of the stack: started at once, watched by its log, ended for sure."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

STOP_S: Final = 10.0
"""How long a process may take to end after SIGTERM; then it is killed."""
LOOK_S: Final = 0.02
"""Between two looks at its log. A file, not a pipe: nobody has to read it while tests run."""


class StackFailed(Exception):
    """A process of the stack ended, or was not ready in time; the message has what it printed."""


class Process:
    """`python -m <module>` with its own process group, so that Ctrl-C reaches the tests alone."""

    def __init__(self, module: str, folder: Path, environ: Mapping[str, str]) -> None:
        self._module = module
        self._log = folder / f"{module}.log"
        with self._log.open("wb") as log:
            self._running = subprocess.Popen(  # noqa: S603  # ourselves
                [sys.executable, "-m", module],
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        return self._running.pid

    def output(self) -> str:
        """All it has printed."""
        return f"--- {self._module} ---\n{self._log.read_text(errors='replace')}"

    async def logged(self, event: str, *, within_s: float) -> Mapping[str, Any]:
        """The first log event of this name, as soon as it is there. Raises StackFailed."""
        try:
            async with asyncio.timeout(within_s):
                while (found := self._look_for(event)) is None:  # noqa: ASYNC110  # a file tells nobody that it has grown
                    await asyncio.sleep(LOOK_S)
        except TimeoutError as error:
            raise StackFailed(f"{self._module} is not ready after {within_s:g} s.\n{self.output()}") from error
        return found

    def terminate(self) -> None:
        """Asks it to end."""
        if self._running.poll() is None:
            self._running.terminate()

    def end(self) -> None:
        """Waits for its end, then kills what is left of its process group."""
        with suppress(subprocess.TimeoutExpired):
            self._running.wait(STOP_S)
        with suppress(ProcessLookupError, PermissionError):  # nothing is left (macOS: of zombies, the latter)
            os.killpg(self._running.pid, signal.SIGKILL)
        self._running.wait()

    def _look_for(self, name: str) -> Mapping[str, Any] | None:
        code = self._running.poll()  # first: what it printed before its end is there then
        found = next((event for line in self._log.read_bytes().splitlines() if (event := _event(line, name))), None)
        if found is None and code is not None:
            raise StackFailed(f"{self._module} ended with {code}.\n{self.output()}")
        return found


def _event(line: bytes, name: str) -> Mapping[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and event.get("event") == name else None
