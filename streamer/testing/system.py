"""The whole stack for tests: a node and a worker as processes of their own, on SQLite in a folder of their own."""

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr

import streamer
from streamer.auth.issuing import issue_token
from streamer.client import Session, connect
from streamer.settings import PREFIX, Settings
from streamer.testing.process import Process

TOKEN_S: Final = 3_600.0
READY_S: Final = 60.0
"""How long the processes may take to be ready."""
DEFAULTS: Final[Mapping[str, Any]] = {
    "port": 0,
    "internal_port": 0,
    "worker_port": 0,
    "cluster_key_id": "test",
    "sweep_s": 0.5,
    "session_beat_s": 0.5,
    "retry_base_s": 0.1,
    "drain_s": 1,
    "grace_s": 1,
}
"""Short times, so that nobody waits for a retry or at the end."""


class Stack:
    """A node and a worker that run. `url`: where the node is, as `http://host:port`."""

    def __init__(self, url: str, environ: Mapping[str, str], processes: Sequence[Process]) -> None:
        self.url = url
        self._environ = environ
        self._processes = processes

    def token(self, *, user: str = "tester", tenant: str = "test", permissions: Collection[str] = ()) -> str:
        """A token of this user, for an hour."""
        names = ("tenant_claim", "permissions_claim", "issuer", "audience")
        claims = {name: self._environ.get(_variable(f"jwt_{name}")) for name in names}
        return issue_token(
            self._environ[_variable("jwt_secret")],
            user=user,
            tenant=tenant,
            permissions=permissions,
            expires_in_s=TOKEN_S,
            **{name: value for name, value in claims.items() if value is not None},
        )

    def connect(
        self, *, user: str = "tester", tenant: str = "test", permissions: Collection[str] = ()
    ) -> AbstractAsyncContextManager[Session]:
        """A session of the Python client, as this user: `async with stack.connect(user="ann") as session`."""
        return connect(self.url, self.token(user=user, tenant=tenant, permissions=permissions))

    def output(self) -> str:
        """What both processes printed so far, for the message of a test that failed."""
        return "".join(process.output() for process in self._processes)


@asynccontextmanager
async def stack(actions: Sequence[str] = (), **settings: Any) -> AsyncIterator[Stack]:
    """Starts a node and a worker with these modules of actions, waits until both are ready, and ends them, and all that
    they started, with the block.

    `settings`: fields of `streamer.settings.Settings`, over short times and free ports; no STREAMER_ variable of this
    process counts. The modules are looked for where this process does. Raises TypeError for an unknown setting, and
    StackFailed, with what was printed, where a process ends at once or is not ready within 60 s.
    """
    environ = environment({"actions": tuple(actions), **settings})
    with tempfile.TemporaryDirectory(prefix="streamer-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        environ.setdefault(_variable("store"), f"sqlite:///{folder}/streamer.db")
        processes: list[Process] = []
        try:
            for module in ("app", "workers"):
                processes.append(Process(module, folder, environ))  # noqa: PERF401  # one by one: what was started is ended
            node, worker = processes
            listening = await node.logged("listening", within_s=READY_S)
            await node.logged("node_ready", within_s=READY_S)
            await worker.logged("worker_ready", within_s=READY_S)
            yield Stack(listening["url"], environ, processes)
        finally:
            await asyncio.to_thread(_stop, processes)


def environment(settings: Mapping[str, Any]) -> dict[str, str]:
    """What the processes are given, in their environment. Raises TypeError for a setting that there is not."""
    if unknown := sorted(settings.keys() - Settings.model_fields.keys()):
        raise TypeError(f"there is no setting {', '.join(unknown)}")
    made = {"cluster_secret": secrets.token_urlsafe(32), "jwt_secret": secrets.token_urlsafe(32)}
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    given = {_variable(name): _text(value) for name, value in {**DEFAULTS, **made, **settings}.items()}
    shown = {_variable("log_format"): "json", "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1"}
    return {**inherited, **given, **shown, "PYTHONPATH": _path()}


def _stop(processes: Sequence[Process]) -> None:
    for process in processes:
        process.terminate()
    for process in processes:
        process.end()


def _path() -> str:
    """Where this process looks for modules; first where `streamer` is, so that a user's `app` never hides ours."""
    home = str(Path(streamer.__file__).parents[1])
    return os.pathsep.join(dict.fromkeys([home, *(path for path in sys.path if path)]))


def _variable(name: str) -> str:
    return f"{PREFIX}{name.upper()}"


def _text(value: Any) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, tuple | list | set | frozenset):
        return ",".join(map(str, value))
    return "" if value is None else str(value)
