"""`streamer dev --reload`: node and worker are started anew when the code of actions changes."""

import asyncio
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Callable, Collection, Mapping, Sequence
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from watchfiles import PythonFilter, awatch

from streamer.cli.roles import module_command
from streamer.cli.supervisor import Ended, OnLine, Supervisor
from streamer.cli.viewer import log_event
from streamer.errors import ConfigurationError

TRIAL: Final = "streamer.cli.trial"
LISTENS_S: Final = 20.0
"""So long the next process waits for the one before it to listen; a slow start is no reason to stop."""

Say = Callable[[str], None]


class Places:
    """The folders in which the code of these modules is: of packages with all below, of other modules without.

    Nothing is imported for it. Raises ConfigurationError for a module that there is not.
    """

    def __init__(self, modules: Collection[str]) -> None:
        self.packages: set[Path] = set()
        self.folders: set[Path] = set()
        for name in sorted({module.partition(".")[0] for module in modules}):
            self._add(_found(name))

    def _add(self, spec: ModuleSpec) -> None:
        if spec.submodule_search_locations is not None:
            self.packages.update(map(Path, spec.submodule_search_locations))
        else:
            self.folders.add(Path(str(spec.origin)).parent)


def _found(name: str) -> ModuleSpec:
    """As processes find it: on the path, then in the working directory."""
    spec = find_spec(name) or PathFinder.find_spec(name, [str(Path.cwd())])
    if spec is None:
        raise ConfigurationError(f"The module {name} of STREAMER_ACTIONS is not found.")
    return spec


class Reloader:
    """Starts `names` anew one after the other, each when the one before it listens. Code that cannot be loaded is told
    of, and what runs goes on; what has ended by itself is started again at the next change."""

    def __init__(
        self, places: Places, *, names: Sequence[str], environ: Mapping[str, str], on_line: OnLine, say: Say
    ) -> None:
        self._places = places
        self._environ = environ
        self._show = on_line
        self._say = say
        self._settled = {name: asyncio.Event() for name in names}  # set: it listens, or it has ended
        self._one_at_a_time = asyncio.Lock()

    def on_line(self, name: str, line: bytes) -> None:
        """For the supervisor; shows the line."""
        self._show(name, line)
        if b'"listening"' in line and (log_event(line) or {}).get("event") == "listening":
            self._settled[name].set()

    def on_end(self, ended: Ended) -> None:
        """For the supervisor."""
        self._settled[ended.name].set()
        self._say(
            f"The {ended.name} process ended by itself (exit code {ended.code}); the next change starts it again."
        )

    async def run(self, supervisor: Supervisor) -> None:
        """Watches for ever."""
        async with asyncio.TaskGroup() as group:
            for folders, recursive in ((self._places.packages, True), (self._places.folders, False)):
                if folders:
                    watching = self._watch(supervisor, folders, recursive=recursive)
                    group.create_task(watching, name=f"watch {len(folders)} folders")

    async def _watch(self, supervisor: Supervisor, folders: Collection[Path], *, recursive: bool) -> None:
        async for changes in awatch(*folders, watch_filter=PythonFilter(), recursive=recursive):
            async with self._one_at_a_time:
                await self._reload(supervisor, sorted({Path(path).name for _, path in changes}))

    async def _reload(self, supervisor: Supervisor, changed: Sequence[str]) -> None:
        fault = await load_fault(self._environ)
        if fault is not None:
            self._say(f"{fault} What runs goes on with the code from before.")
            return
        self._say(f"{', '.join(changed)} changed: starting anew.")
        for name, settled in self._settled.items():
            settled.clear()
            await supervisor.replace(name)
            await self._until(settled)
        self._say("Reloaded.")

    async def _until(self, settled: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(LISTENS_S):
                await settled.wait()
        except TimeoutError:
            self._say(f"It has not listened for {LISTENS_S:g} s; going on.")


async def load_fault(environ: Mapping[str, str]) -> str | None:
    """Why a process of this environment could not load its actions; None: it can."""
    trial = await asyncio.create_subprocess_exec(
        *module_command(TRIAL), stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, env=environ
    )
    try:
        _, said = await trial.communicate()
    finally:
        if trial.returncode is None:
            trial.kill()
    return None if trial.returncode == 0 else said.decode(errors="replace").strip()
