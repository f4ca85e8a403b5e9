"""A whole system of real processes for end-to-end tests: one store, nodes, workers."""

import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

from streamer.jobs import ids
from streamer.store.base import Store
from tests.support.invariants import check
from tests.support.ledger import Ledger
from tests.support.processes import Process, Processes, processes
from tests.support.store import Engine
from tests.support.until import until
from tests.support.wire import SECRET, WireClient

SETTINGS: Mapping[str, str] = {
    "STREAMER_JWT_SECRET": SECRET,
    "STREAMER_CLUSTER_KEY_ID": "test",
    "STREAMER_CLUSTER_SECRET": "a cluster secret for tests",
    "STREAMER_ACTIONS": "tests.support.acme",
    "STREAMER_SESSION_BEAT_S": "0.5",
    "STREAMER_SESSION_DEAD_S": "2",
    "STREAMER_SWEEP_S": "0.5",
    "STREAMER_RETRY_BASE_S": "0.2",
    "STREAMER_DRAIN_S": "2",
    "STREAMER_GRACE_S": "5",
}
"""Short times, so that a death is noticed within seconds."""


class System:
    """What a test starts, kills and asks."""

    def __init__(self, group: Processes, engine: Engine, store: Store) -> None:
        self.engine = engine
        self.store = store
        self.ledger = Ledger()
        self.runs = group.folder / "runs"  # each start of `steps` leaves a file: <request id>.<attempt>.<pid>
        self.runs.mkdir()
        self._group = group

    # --- processes ------------------------------------------------------------------------------------------

    async def node(self, **env: str) -> Process:
        process = await self._group.started("app", env)
        await process.logged("node_ready")
        return process

    async def worker(self, **env: str) -> Process:
        process = await self._group.started("worker", {"ACME_RUNS": str(self.runs), **env})
        await process.logged("worker_ready")
        return process

    def start(self, kind: str, **env: str) -> Process:
        """Starts a process without waiting for it to be ready."""
        return self._group.start(kind, {"ACME_RUNS": str(self.runs), **env})

    @property
    def processes(self) -> Sequence[Process]:
        return self._group.all

    async def owner_of(self, request_id: str, workers: Sequence[Process]) -> Process:
        """The worker that runs this job of ann of acme."""
        row = await self.running(request_id)
        return next(worker for worker in workers if worker.events("worker_ready", session=row.owner))

    async def freeze(self, process: Process) -> None:
        """SIGSTOP, at a moment when the process does not hold the lock of an SQLite file."""
        process.freeze()
        while self._is_locked():
            process.thaw()
            await until(lambda: True)
            process.freeze()

    def _is_locked(self) -> bool:
        if self.engine.name != "sqlite":
            return False
        path = self.engine.url.removeprefix("sqlite:///")
        with closing(sqlite3.connect(path, timeout=0.2, isolation_level=None)) as connection:
            try:
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("ROLLBACK")
            except sqlite3.OperationalError:
                return True
        return False

    # --- clients and rows -----------------------------------------------------------------------------------

    def client(self, url: str, name: str = "c1", **who: Any) -> WireClient:
        return WireClient(url, self.ledger, name, **who)

    async def running(self, request_id: str, *, attempt: int | None = None) -> Any:
        """The row of a job of ann of acme, as soon as it is PROCESSING (in this attempt)."""

        async def row() -> Any:
            job = await self.store.requests.get(ids.job_id("acme", "ann", request_id))
            is_there = job is not None and job.status == "PROCESSING" and attempt in (None, job.attempt)
            return job if is_there else None

        return await until(row, timeout_s=30, what=f"{request_id} is PROCESSING")

    async def row(self, request_id: str, *, user: str = "ann", tenant: str = "acme") -> Any:
        return await self.store.requests.get(ids.job_id(tenant, user, request_id))

    def runs_of(self, request_id: str) -> list[str]:
        return sorted(path.name.removeprefix(f"{request_id}.") for path in self.runs.glob(f"{request_id}.*"))

    async def check(self) -> None:
        """Every invariant; and no process has ended, or said that something went wrong with it."""
        await check(self.ledger, self.store)
        for process in self._group.all:
            for event in ("part_died", "attempt_crashed"):
                assert not process.events(event), process.output()


@asynccontextmanager
async def system(folder: Path, engine: Engine, env: Mapping[str, str] | None = None) -> AsyncIterator[System]:
    """A system on this engine. The store that the test looks through is opened here; `env` goes to all processes."""
    own = {"STREAMER_STORE": engine.url, "STREAMER_TABLE_PREFIX": engine.table_prefix, **engine.environment}
    async with engine.open() as store, processes(folder, {**SETTINGS, **own, **(env or {})}) as group:
        yield System(group, engine, store)
