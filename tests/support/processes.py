"""Real processes for end-to-end tests: started with an environment, watched by their log, always cleaned up."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.until import until

START_S: Final = 30.0
STOP_S: Final = 30.0
COMMANDS: Final[Mapping[str, Sequence[str]]] = {
    "app": (sys.executable, "-m", "app"),
    "worker": (sys.executable, "-m", "workers"),
    "dev": (sys.executable, "-m", "streamer", "dev"),
    "dev --reload": (sys.executable, "-m", "streamer", "dev", "--reload"),
}
ANY_PORT: Final = dict.fromkeys(("STREAMER_PORT", "STREAMER_INTERNAL_PORT", "STREAMER_WORKER_PORT"), "0")


class Process:
    """One running process; its output is in `stdout` and `stderr` (files)."""

    def __init__(self, name: str, running: "subprocess.Popen[bytes]", stdout: Path, stderr: Path) -> None:
        self.name = name
        self.stdout = stdout
        self.stderr = stderr
        self._running = running
        self._frozen = False

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative: the signal that ended it."""
        return self._running.poll()

    # --- what it says ----------------------------------------------------------------------------------------

    def output(self) -> str:
        """All it has printed, for the message of a failed test."""
        return f"--- {self.name} ---\n{self.stdout.read_text()}{self.stderr.read_text()}"

    def events(self, name: str | None = None, **fields: Any) -> list[dict[str, Any]]:
        """Its log events so far, of that name and with those fields."""
        found = [event for line in self.stdout.read_text().splitlines() if (event := _event(line)) is not None]
        return [event for event in found if name in (None, event["event"]) and fields.items() <= event.items()]

    async def logged(self, name: str, *, timeout_s: float = START_S, **fields: Any) -> dict[str, Any]:
        """Waits for such a log event. AssertionError with its output if it ends before, or takes too long."""

        def there() -> list[dict[str, Any]]:
            ended = self.exit_code is not None
            found = self.events(name, **fields)
            assert found or not ended, f"{self.name} ended with {self.exit_code} before {name}\n{self.output()}"
            return found

        try:
            return (await until(there, timeout_s=timeout_s, what=f"{self.name} logs {name} {fields}"))[0]
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.output()}") from None

    async def listening(self) -> dict[str, Any]:
        """The log event that tells where: `url` and `internal_url` of a node, `endpoint` of a worker."""
        return await self.logged("listening")

    async def url(self) -> str:
        """Where people and clients find this node: `http://host:port`."""
        url: str = (await self.listening())["url"]
        return url

    # --- what is done to it ----------------------------------------------------------------------------------

    def terminate(self) -> None:
        """SIGTERM."""
        self._running.send_signal(signal.SIGTERM)

    def interrupt(self) -> None:
        """SIGINT, as Ctrl-C sends it."""
        self._running.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """SIGKILL: gone without a word."""
        self._running.kill()

    def freeze(self) -> None:
        """SIGSTOP: it stands still, its sockets stay open."""
        self._running.send_signal(signal.SIGSTOP)
        self._frozen = True

    def thaw(self) -> None:
        """SIGCONT."""
        self._running.send_signal(signal.SIGCONT)
        self._frozen = False

    async def ended(self, *, timeout_s: float = STOP_S) -> int:
        """Waits for its end; the exit code."""
        await until(lambda: self.exit_code is not None, timeout_s=timeout_s, what=f"the end of {self.name}")
        return self._running.returncode

    def clean_up(self) -> None:
        """Ends it if it runs, and whatever it started."""
        if self._frozen:
            self.thaw()
        if self.exit_code is None:
            self.terminate()
            try:
                self._running.wait(5)
            except subprocess.TimeoutExpired:
                self.kill()
                self._running.wait()


class Processes:
    """Starts processes that share a folder and an environment."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.env = env
        self.all: list[Process] = []

    def start(self, kind: str, env: Mapping[str, str] | None = None) -> Process:
        """Starts one of COMMANDS; returns at once."""
        name = f"{kind}-{len(self.all)}"
        stdout, stderr = self.folder / f"{name}.out", self.folder / f"{name}.err"
        with stdout.open("wb") as out, stderr.open("wb") as err:
            running = subprocess.Popen(
                COMMANDS[kind],
                cwd=self.folder,
                env={**self.env, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
        process = Process(name, running, stdout, stderr)
        self.all.append(process)
        return process

    async def started(self, kind: str, env: Mapping[str, str] | None = None) -> Process:
        """Starts one and waits until it listens."""
        process = self.start(kind, env)
        await process.listening()
        return process


@asynccontextmanager
async def processes(folder: Path, env: Mapping[str, str] | None = None) -> AsyncIterator[Processes]:
    """Processes that work in `folder` with free ports and no settings but `env`; all are ended at the end."""
    group = Processes(folder, {**_environment(), **ANY_PORT, **(env or {})})
    try:
        yield group
    finally:
        for process in reversed(group.all):
            await asyncio.to_thread(process.clean_up)


def _environment() -> dict[str, str]:
    ours = ("STREAMER_", "AWS_", "COVERAGE_", "COV_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1", "STREAMER_LOG_FORMAT": "json"}


def _event(line: str) -> dict[str, Any] | None:
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and "event" in event else None
